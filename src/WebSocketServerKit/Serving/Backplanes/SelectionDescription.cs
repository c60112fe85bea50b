using System.Buffers;
using System.Net;

namespace WebSocketServerKit.Serving.Backplanes;

/// <summary>
/// A <see cref="ClientSelection"/> as bytes, for other servers: its links, each a kind and its texts. Clients of one server that are left out are not part of it, since the other servers do not have them.
/// </summary>
internal sealed class SelectionDescription
{
    private const int MaxDepth = 16;

    private readonly ArrayBufferWriter<byte> _bytes = new();

    private enum Link : byte
    {
        Group = 1,
        AnyGroup = 2,
        Tag = 3,
        User = 4,
        Path = 5,
        RemoteAddress = 6,
        Topic = 7,
        Client = 8,
        Except = 9,
    }

    private SelectionDescription()
    {
    }

    /// <summary>Describes a selection, which has no function of the host.</summary>
    public static ReadOnlyMemory<byte> Of(ClientSelection selection)
    {
        SelectionDescription description = new();
        for (ClientSelection? link = selection; link is not null; link = link.Wider)
            link.Describe(description);
        return description._bytes.WrittenMemory;
    }

    /// <summary>Selects the clients of this server. Null if the bytes are damaged, or have a kind of link that this version does not know.</summary>
    public static ClientSelection? Read(ReadOnlyMemory<byte> bytes, ClientRegistry clients) => Read(bytes, clients, 0);

    public void Add(ClientSetKind kind, string key) => Write(
        kind switch
        {
            ClientSetKind.Group => Link.Group,
            ClientSetKind.Tag => Link.Tag,
            ClientSetKind.User => Link.User,
            ClientSetKind.Path => Link.Path,
            ClientSetKind.RemoteAddress => Link.RemoteAddress,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
        },
        key);

    public void AddAnyGroup(string[] groups)
    {
        Write(Link.AnyGroup);
        Leb128.Write(_bytes, (ulong)groups.Length);
        foreach (string group in groups)
            Write(group);
    }

    public void AddTopic(string topic) => Write(Link.Topic, topic);

    public void AddClient(GlobalClientId id) => Write(Link.Client, id.ToString());

    public void AddExcept(ClientSelection others)
    {
        ReadOnlyMemory<byte> description = Of(others);
        Write(Link.Except);
        Leb128.Write(_bytes, (ulong)description.Length);
        _bytes.Write(description.Span);
    }

    private static ClientSelection? Read(ReadOnlyMemory<byte> bytes, ClientRegistry clients, int depth)
    {
        ClientSelection? selection = clients;
        while (!bytes.IsEmpty && selection is not null)
        {
            var link = (Link)bytes.Span[0];
            bytes = bytes[1..];
            selection = link switch
            {
                Link.AnyGroup => ReadAnyGroup(ref bytes, selection),
                Link.Except => Leb128.TryReadPart(ref bytes, out ReadOnlyMemory<byte> others) && depth < MaxDepth && Read(others, clients, depth + 1) is { } except ? selection.Except(except) : null,
                _ => TryRead(ref bytes, out string key) ? Narrow(selection, link, key) : null,
            };
        }

        return selection;
    }

    private static ClientSelection? ReadAnyGroup(ref ReadOnlyMemory<byte> bytes, ClientSelection selection)
    {
        if (!Leb128.TryRead(ref bytes, out ulong count) || count > (ulong)bytes.Length)
            return null;
        string[] groups = new string[(int)count];
        foreach (ref string group in groups.AsSpan())
        {
            if (!TryRead(ref bytes, out group) || group.Length == 0)
                return null;
        }

        return selection.InAnyGroup(groups);
    }

    private static ClientSelection? Narrow(ClientSelection selection, Link link, string key) => link switch
    {
        _ when key.Length == 0 => null,
        Link.Group => selection.InGroup(key),
        Link.Tag => selection.WithTag(key),
        Link.User => selection.WithUser(key),
        Link.Path => selection.WithPath(key),
        Link.RemoteAddress => IPAddress.TryParse(key, out IPAddress? address) ? selection.WithRemoteAddress(address) : null,
        Link.Topic => TopicFilter.IsValidTopic(key) ? selection.SubscribedTo(key) : null,
        Link.Client => GlobalClientId.TryParse(key, out GlobalClientId id) ? selection.WithGlobalId(id) : null,
        _ => null,
    };

    private static bool TryRead(ref ReadOnlyMemory<byte> bytes, out string text)
    {
        bool isThere = Leb128.TryReadPart(ref bytes, out ReadOnlyMemory<byte> part);
        text = NameEncoding.Read(part.Span);
        return isThere;
    }

    private void Write(Link link, string text)
    {
        Write(link);
        Write(text);
    }

    private void Write(Link link)
    {
        _bytes.GetSpan(1)[0] = (byte)link;
        _bytes.Advance(1);
    }

    private void Write(string text)
    {
        int size = NameEncoding.SizeOf(text);
        Leb128.Write(_bytes, (ulong)size);
        _bytes.Advance(NameEncoding.Write(text, _bytes.GetSpan(size)));
    }
}
