using System.Buffers.Binary;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Load;

public class ManySendersTests
{
    [Fact]
    public async Task A_million_messages_from_16_threads_arrive_whole_each_senders_in_order()
    {
        const int Senders = 16;
        const int PerSender = 1_000_000 / Senders;
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            Task[] senders = [.. Enumerable.Range(0, Senders).Select(sender => Task.Factory.StartNew(
                () => SendAll(client, sender, PerSender), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];

            // A message is its sender, its number, and as many bytes more as its number says, so that the boundaries are not all alike.
            int[] next = new int[Senders];
            for (int i = 0; i < Senders * PerSender; i++)
            {
                ReceivedFrame frame = await raw.ReadFrameAsync();
                int sender = frame.Payload[0];
                int number = BinaryPrimitives.ReadInt32LittleEndian(frame.Payload.AsSpan(1));
                if (frame.Opcode != Opcode.Binary || sender >= Senders || number != next[sender]++ || frame.Payload.Length != LengthOf(number)
                    || frame.Payload.AsSpan(5).ContainsAnyExcept((byte)sender))
                    Assert.Fail($"Message {i} is not what sender {sender} sent as its message {next[sender] - 1}.");
            }

            await Task.WhenAll(senders).Timely();
            Assert.All(next, count => Assert.Equal(PerSender, count));
            Assert.Equal(Senders * PerSender, client.MessagesSent);
            await raw.LeaveAsync(); // and nothing else came
        }
    }

    private static int LengthOf(int number) => 5 + number % 23;

    private static void SendAll(WebSocketClient client, int sender, int count)
    {
        Span<byte> message = stackalloc byte[5 + 23];
        message.Fill((byte)sender);
        for (int number = 0; number < count; number++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(message[1..], number);
            ValueTask sent = client.SendAsync(message[..LengthOf(number)]);
            if (!sent.IsCompletedSuccessfully)
                sent.AsTask().Wait(TimeSpan.FromSeconds(30));
        }
    }
}
