using System.CommandLine;
using NeuralMemory;
using NeuralMemory.Perf;

Option<int> threads = new("--threads") { Description = "Threads to use.", DefaultValueFactory = _ => Environment.ProcessorCount };

Command scaling = new("scaling", "How the cost of a Neural Turing Machine grows with the length of the sequence and with the slots of its memory.") { threads };
scaling.SetAction(arguments => Run(arguments, Scaling.Run));

Command matmul = new("matmul", "The matrix product, checked and timed.") { threads };
matmul.SetAction(arguments => Run(arguments, MatMulSpeed.Run));

return new RootCommand("Checks results, then times what computes them.") { scaling, matmul }.Parse(args).Invoke();

void Run(ParseResult arguments, Action action)
{
    ThreadTeam.Threads = arguments.GetValue(threads);
    Console.WriteLine($"{Backend.Default.Description}, .NET {Environment.Version}");
    Console.WriteLine();
    action();
}
