using System.CommandLine;
using NeuralMemory;
using NeuralMemory.Perf;

Option<int> threads = new("--threads") { Description = "Threads to use.", DefaultValueFactory = _ => Environment.ProcessorCount };

Command scaling = new("scaling", "How the cost of a Neural Turing Machine grows with the length of the sequence and with the slots of its memory.") { threads };
scaling.SetAction(arguments => Run(arguments, Scaling.Run));

Command matmul = new("matmul", "The matrix product, checked and timed.") { threads };
matmul.SetAction(arguments => Run(arguments, MatMulSpeed.Run));

Option<string> device = new("--device") { Description = "cuda:N, opencl:N, or emulator: tiny shapes, checked and not timed.", DefaultValueFactory = _ => "cuda:0" };
Option<bool> json = new("--json") { Description = "A line of JSON for each case." };
Option<string?> only = new("--only") { Description = "Only the cases whose names begin so, separated by commas." };
Command gpu = new("gpu", "A GPU's kernels, checked against the CPU and timed.") { device, json, only };
gpu.SetAction(arguments =>
{
    try
    {
        GpuSpeed.Run(arguments.GetValue(device)!, arguments.GetValue(json), arguments.GetValue(only));
        return 0;
    }
    catch (DeviceException e)
    {
        Console.Error.WriteLine(e.Message);
        return 2;
    }
});

return new RootCommand("Checks results, then times what computes them.") { scaling, matmul, gpu }.Parse(args).Invoke();

void Run(ParseResult arguments, Action action)
{
    ThreadTeam.Threads = arguments.GetValue(threads);
    Console.WriteLine($"{Backend.Default.Description}, .NET {Environment.Version}");
    Console.WriteLine();
    action();
}
