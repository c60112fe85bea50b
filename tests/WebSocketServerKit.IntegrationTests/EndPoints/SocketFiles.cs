namespace WebSocketServerKit.EndPoints;

/// <summary>A folder for the files of Unix domain sockets, which goes with its test. Its path is short, as those of sockets have to be.</summary>
internal sealed class SocketFiles : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("wsk");

    public string Path(string name) => System.IO.Path.Combine(_folder.FullName, name);

    public void Dispose() => _folder.Delete(recursive: true);
}
