using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using WebSocketServerKit.Microbenchmarks;

IConfig config = DefaultConfig.Instance.AddDiagnoser(MemoryDiagnoser.Default).AddColumn(StatisticColumn.OperationsPerSecond);
List<Summary> summaries = [.. BenchmarkSwitcher.FromAssembly(typeof(FrameData).Assembly).Run(args, config)];

// A filter that finds nothing is a failure too, for it may be the build that asks.
bool failed = summaries.Any(summary => summary.HasCriticalValidationErrors || summary.Reports.IsEmpty || summary.Reports.Any(report => !report.Success));
return failed || (summaries.Count == 0 && args.Contains("--filter")) ? 1 : 0;
