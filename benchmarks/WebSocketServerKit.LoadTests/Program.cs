using System.CommandLine;
using WebSocketServerKit;
using WebSocketServerKit.LoadTests.Comparisons;
using WebSocketServerKit.LoadTests.Recovery;
using WebSocketServerKit.LoadTests.Servers;
using WebSocketServerKit.LoadTests.Uploads;

if (!OperatingSystem.IsLinux())
{
    Console.Error.WriteLine("The load tests wait with epoll and read /proc: they run on Linux only.");
    return 1;
}

Option<WebSocketTransport> transport = new("--transport") { Description = "How the server waits for sockets: sockets or eventloop", DefaultValueFactory = _ => WebSocketTransport.Sockets };
Option<int> clients = new("--clients") { Description = "Clients at once", DefaultValueFactory = _ => 10_000 };
Option<int> messages = new("--messages") { Description = "Messages that each client exchanges", DefaultValueFactory = _ => 10 };
Option<int> rounds = new("--rounds") { Description = "How often all of them come and leave", DefaultValueFactory = _ => 3 };

Command churn = new("churn", "Clients come, exchange messages and leave, half of them by a Close frame and half by a cut: does the server get everything back?") { clients, messages, rounds, transport };
churn.SetAction((arguments, _) => Churn.RunAsync(arguments.GetValue(clients), arguments.GetValue(messages), arguments.GetValue(rounds), arguments.GetValue(transport)));

Option<double> minutes = new("--minutes") { Description = "How long", DefaultValueFactory = _ => 15 };

Command soak = new("soak", "Clients of every sort come and go for a long time: does every count match, and does nothing stay behind?") { minutes, transport };
soak.SetAction((arguments, _) => Soak.RunAsync(arguments.GetValue(minutes), arguments.GetValue(transport)));

Option<int> slowClients = new("--clients") { Description = "Clients at once", DefaultValueFactory = _ => 1_000 };
Option<int> rate = new("--rate") { Description = "Updates per second", DefaultValueFactory = _ => 1_000 };
Option<int> seconds = new("--seconds") { Description = "How long, without slow clients and with them", DefaultValueFactory = _ => 60 };

Command slow = new("slow", "One client in ten never reads, one reads slowly: do the others get every update as fast as without them, and is the memory bounded?") { slowClients, rate, seconds, transport };
slow.SetAction((arguments, _) => Slow.RunAsync(arguments.GetValue(slowClients), arguments.GetValue(rate), arguments.GetValue(seconds), arguments.GetValue(transport)));

Option<int> others = new("--clients") { Description = "The other clients", DefaultValueFactory = _ => 1_000 };
Option<int> rateOfOthers = new("--rate") { Description = "Messages that each of them sends per second", DefaultValueFactory = _ => 10 };
Option<int> sleepers = new("--sleepers") { Description = "Clients whose handlers sleep", DefaultValueFactory = _ => 1 };
Option<int> sleep = new("--seconds") { Description = "How long they sleep", DefaultValueFactory = _ => 5 };

Command blocked = new("blocked", "The handlers of some clients sleep: how long do the other clients wait for their answers, those of its event loop too?") { others, rateOfOthers, sleepers, sleep };
blocked.SetAction((arguments, _) => Blocked.RunAsync(arguments.GetValue(others), arguments.GetValue(rateOfOthers), arguments.GetValue(sleepers), arguments.GetValue(sleep)));

Command serveSlow = new("serve-slow", "The server that slow starts as a process of its own") { transport };
serveSlow.Hidden = true;
serveSlow.SetAction((arguments, _) => SlowServer.ServeAsync(arguments.GetValue(transport)));

Option<int?> loops = new("--loops");
Command serve = new("serve", "The server that churn, soak and blocked start as a process of its own") { transport, loops };
serve.Hidden = true;
serve.SetAction((arguments, _) => EchoChild.ServeAsync(arguments.GetValue(transport), arguments.GetValue(loops)));

Argument<string> name = new("name");
Option<Service> service = new("--service");
Option<string?> certificate = new("--certificate");
Command contender = new("contender", "A server that the comparisons start as a process of its own") { name, service, certificate };
contender.Hidden = true;
contender.SetAction((arguments, _) => Contender.ServeAsync(arguments.GetValue(name)!, arguments.GetValue(service), arguments.GetValue(certificate)));

Option<int> megabytes = new("--megabytes") { Description = "The size of each message, in 10^6 bytes", DefaultValueFactory = _ => 500 };
Option<int> uploads = new("--messages") { Description = "How many messages each server gets, one after the other", DefaultValueFactory = _ => 1 };
Command upload = new("upload", "One client sends one large message: how much memory does the server's process need for it?") { megabytes, uploads };
upload.SetAction((arguments, _) => Upload.RunAsync(arguments.GetValue(megabytes), arguments.GetValue(uploads)));

Argument<string> kind = new("kind");
Command uploadServer = new("upload-server", "The server that upload starts as a process of its own") { kind };
uploadServer.Hidden = true;
uploadServer.SetAction((arguments, _) => UploadServer.ServeAsync(arguments.GetValue(kind)!));

RootCommand root = new("Loads servers in processes of their own over loopback: churn and soak look at what stays behind, slow and blocked at who waits, the others compare with Kestrel. For Linux.")
{
    Echo.Command(), FixedRate.Command(), Broadcast.Command(), Cluster.Command(), Idle.Command(), Accept.Command(), Fairness.Command(), AspNet.Command(), Deflate.Command(), DeflateIdle.Command(), churn, soak, slow, blocked, upload, serve, serveSlow, contender, uploadServer,
};
return await root.Parse(args).InvokeAsync();
