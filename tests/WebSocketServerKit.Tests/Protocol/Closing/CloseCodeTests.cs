using System.Net.WebSockets;
using System.Reflection;

namespace WebSocketServerKit.Protocol.Closing;

public sealed class CloseCodeTests
{
    [Fact]
    public void A_number_and_the_status_of_the_framework_convert_to_it()
    {
        CloseCode own = 4000;
        Assert.Equal(new CloseCode(4000), own);
        Assert.Equal((4000, 4000, (WebSocketCloseStatus)4000), (own.Value, (int)own, (WebSocketCloseStatus)own));
        Assert.True(CloseCode.GoingAway == 1001);
        Assert.True(CloseCode.GoingAway == WebSocketCloseStatus.EndpointUnavailable);
        Assert.True(CloseCode.GoingAway != CloseCode.NormalClosure);
    }

    [Fact]
    public void Every_name_stands_for_another_number_of_the_registry()
    {
        CloseCode[] named =
        [
            .. typeof(CloseCode).GetProperties(BindingFlags.Public | BindingFlags.Static).Where(property => property.PropertyType == typeof(CloseCode))
                .Select(property => (CloseCode)property.GetValue(null)!),
        ];
        Assert.Equal([1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015], named.Select(code => code.Value).Order());
        Assert.All(named, code => Assert.Matches(@"^\d{4} \([\w ]+\)$", code.ToString()));
    }

    [Theory]
    [InlineData(1001, "1001 (going away)")]
    [InlineData(1006, "1006 (abnormal closure)")]
    [InlineData(1004, "1004")]
    [InlineData(4000, "4000")]
    [InlineData(0, "0")]
    public void Is_shown_by_its_number_and_its_name_if_it_has_one(int code, string shown) => Assert.Equal(shown, new CloseCode(code).ToString());
}
