using System.CommandLine;
using NeuralMemory;
using NeuralMemory.Perf;

Option<int> threads = new("--threads") { Description = "Threads to use.", DefaultValueFactory = _ => Environment.ProcessorCount };
threads.Validators.Add(result =>
{
    if (result.Tokens is [var given] && int.TryParse(given.Value, out int count) && count < 1) result.AddError($"--threads: '{given.Value}' is not a whole number from 1 on.");
});

Option<string> device = new("--device") { Description = "cuda:N, opencl:N, or emulator: tiny shapes, checked and not timed.", DefaultValueFactory = _ => "cuda:0" };
Option<bool> json = new("--json") { Description = "A line of JSON for each case." };
Option<string?> only = new("--only") { Description = "Only the cases whose names begin so, separated by commas." };

Option<string?> peer = new("--peer") { Description = "torch: PyTorch beside it, in the same run.", HelpName = "NAME" };
peer.AcceptOnlyFromAmong("torch");
Option<string?> roofline = new("--roofline") { Description = "Draws the cases below what the machine can do, as SVG.", HelpName = "FILE" };
Command cpu = Suite("cpu", "The CPU's kernels, checked against float64 and timed.", KernelCases.All);
Command operations = Suite("operations", "The CPU's other operations, on a million elements and on few, checked against float64 and timed.", OperationCases.All);
Command train = Suite("train", "Whole training steps, checked against float64 and timed.", TrainingCases.All);

Option<string?> picture = new("--out") { Description = "Draws the first table as SVG.", HelpName = "FILE" };
Command scaling = new("scaling", "How the cost of a training step grows with the length of the sequence, the slots of the memory, the threads, and the width of the network.")
{
    threads, only, json, picture,
};
scaling.SetAction(arguments => Run(arguments, () =>
{
    Scaling.Run(arguments.GetValue(only), arguments.GetValue(json), arguments.GetValue(picture));
    return true;
}));

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

Option<string> filter = new("--filter") { Description = "Which, by a pattern.", DefaultValueFactory = _ => "*" };
Command micro = new("micro", "What a step pays beside its arithmetic, by BenchmarkDotNet.") { filter };
micro.SetAction(arguments => Micro.Run(arguments.GetValue(filter)!));

return new RootCommand("Checks results, then times what computes them.") { cpu, operations, train, scaling, micro, gpu }.Parse(args).Invoke();

Command Suite(string name, string description, IEnumerable<Case> cases)
{
    Command command = new(name, description) { threads, peer, only, json, roofline };
    command.SetAction(arguments => Run(arguments, () =>
        Speed.Run(name, cases, arguments.GetValue(only), arguments.GetValue(peer) is not null, arguments.GetValue(json), arguments.GetValue(roofline))));
    return command;
}

int Run(ParseResult arguments, Func<bool> action)
{
    ThreadTeam.Threads = arguments.GetValue(threads);
    if (!arguments.GetValue(json)) Console.WriteLine($"{Backend.Default.Description}, .NET {Environment.Version}\n");
    try
    {
        return action() ? 0 : 1;
    }
    catch (ArgumentException e)
    {
        Console.Error.WriteLine(e.Message);
        return 2;
    }
}
