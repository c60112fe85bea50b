using System.Globalization;
using System.IO.Compression;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>What is left of a message.</summary>
public sealed class CompressedSizeColumn : IColumn
{
    public string Id => nameof(CompressedSizeColumn);

    public string ColumnName => "Left";

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => "Compressed size in percent of the message";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        using Compression compression = new()
        {
            Size = (int)benchmarkCase.Parameters[nameof(Compression.Size)],
            Level = (CompressionLevel)benchmarkCase.Parameters[nameof(Compression.Level)],
            ContextTakeover = (bool)benchmarkCase.Parameters[nameof(Compression.ContextTakeover)],
        };
        return (compression.CompressedSize() / compression.Size).ToString("P1", CultureInfo.InvariantCulture);
    }

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => true;

    public sealed class Config : ManualConfig
    {
        public Config() => AddColumn(new CompressedSizeColumn());
    }
}
