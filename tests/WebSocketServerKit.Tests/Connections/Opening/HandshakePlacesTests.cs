using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.TestKit;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Opening;

public sealed class HandshakePlacesTests : IDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly Heartbeat _heartbeat = new(new FakeTimeProvider(), TimeSpan.FromSeconds(1), _ => { });

    public void Dispose() => _heartbeat.Dispose();

    private ScriptedConnection From(string address, bool speaks = false)
    {
        ScriptedConnection connection = new(
            new ScriptedTransport(remoteAddress: address), ConnectionStage.DefaultSettings(_pool), _heartbeat, new ServerLog(new FakeLogger()));
        if (speaks)
            connection.HasBegunToSpeak();
        return connection;
    }

    private static void AssertTakes(HandshakePlaces places, ConnectionLifetime newcomer, ConnectionLifetime? insteadOf = null)
    {
        Assert.True(places.TryTake(newcomer, out ConnectionLifetime? givesWay));
        Assert.Same(insteadOf, givesWay);
    }

    private static void AssertTakesNone(HandshakePlaces places, ConnectionLifetime newcomer)
    {
        Assert.False(places.TryTake(newcomer, out ConnectionLifetime? givesWay));
        Assert.Null(givesWay);
    }

    [Fact]
    public void The_one_that_has_been_silent_for_longest_gives_way()
    {
        HandshakePlaces places = new(max: 3, maxPerAddress: 3);
        ScriptedConnection speaking = From("203.0.113.1", speaks: true), silent = From("203.0.113.2"), later = From("203.0.113.3");
        AssertTakes(places, speaking);
        AssertTakes(places, silent);
        AssertTakes(places, later);
        AssertTakes(places, From("203.0.113.4", speaks: true), insteadOf: silent);
        AssertTakes(places, From("203.0.113.5", speaks: true), insteadOf: later);
        AssertTakesNone(places, From("203.0.113.6"));
        Assert.Equal(3, places.Count);
    }

    [Fact]
    public void One_of_the_address_that_has_most_places_gives_way_first()
    {
        HandshakePlaces places = new(max: 4, maxPerAddress: 4);
        ScriptedConnection alone = From("203.0.113.1"), flood = From("203.0.113.66");
        AssertTakes(places, alone);
        AssertTakes(places, flood);
        AssertTakes(places, From("203.0.113.66"));
        AssertTakes(places, From("203.0.113.66"));
        AssertTakes(places, From("203.0.113.2"), insteadOf: flood);
    }

    [Fact]
    public void Where_all_have_spoken_the_oldest_of_the_address_that_has_most_gives_way_to_one_that_has_fewer()
    {
        HandshakePlaces places = new(max: 4, maxPerAddress: 2);
        ScriptedConnection oldest = From("203.0.113.67", speaks: true), other = From("203.0.113.66", speaks: true);
        AssertTakes(places, oldest);
        AssertTakes(places, other);
        AssertTakes(places, From("203.0.113.66", speaks: true));
        AssertTakes(places, From("203.0.113.67", speaks: true));
        AssertTakes(places, From("203.0.113.1", speaks: true), insteadOf: oldest);
        AssertTakes(places, From("203.0.113.2", speaks: true), insteadOf: other);
        // Now each has one.
        AssertTakesNone(places, From("203.0.113.3", speaks: true));
    }

    [Fact]
    public void No_address_can_have_all_places()
    {
        HandshakePlaces places = new(max: 4, maxPerAddress: 2);
        ScriptedConnection first = From("203.0.113.66", speaks: true);
        AssertTakes(places, first);
        AssertTakes(places, From("203.0.113.66", speaks: true));
        AssertTakesNone(places, From("203.0.113.66", speaks: true));
        AssertTakes(places, From("203.0.113.1"));
        places.Release(first);
        AssertTakes(places, From("203.0.113.66"));
    }

    [Fact]
    public void An_address_whose_places_are_taken_makes_room_among_its_own_silent_ones()
    {
        HandshakePlaces places = new(max: 9, maxPerAddress: 2);
        ScriptedConnection other = From("203.0.113.1"), own = From("203.0.113.66");
        AssertTakes(places, other);
        AssertTakes(places, From("203.0.113.66", speaks: true));
        AssertTakes(places, own);
        AssertTakes(places, From("203.0.113.66"), insteadOf: own);
    }

    [Fact]
    public void A_place_that_was_lost_is_not_given_back_once_more()
    {
        HandshakePlaces places = new(max: 1, maxPerAddress: 1);
        ScriptedConnection silent = From("203.0.113.1"), newcomer = From("203.0.113.2", speaks: true);
        AssertTakes(places, silent);
        AssertTakes(places, newcomer, insteadOf: silent);
        places.Release(silent);
        Assert.Equal(1, places.Count);
        places.Release(newcomer);
        Assert.Equal(0, places.Count);
        AssertTakes(places, From("203.0.113.1"));
    }

    [Fact]
    public void Every_place_is_given_back_whoever_comes_and_goes()
    {
        HandshakePlaces places = new(max: 50, maxPerAddress: 20);
        List<ConnectionLifetime> have = [];
        var random = new Random(11);
        for (int i = 0; i < 2000; i++)
        {
            if (have.Count > 0 && random.Next(3) == 0)
            {
                ConnectionLifetime leaving = have[random.Next(have.Count)];
                have.Remove(leaving);
                places.Release(leaving);
            }
            else if (From($"203.0.113.{random.Next(5)}", speaks: random.Next(2) == 0) is var newcomer && places.TryTake(newcomer, out ConnectionLifetime? givesWay))
            {
                have.Add(newcomer);
                if (givesWay is not null)
                    Assert.True(have.Remove(givesWay));
            }

            Assert.Equal(have.Count, places.Count);
            Assert.All(have.CountBy(connection => EndPointAddress.Of(connection.RemoteEndPoint)), count => Assert.InRange(count.Value, 1, 20));
        }
    }
}
