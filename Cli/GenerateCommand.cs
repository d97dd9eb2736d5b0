using System.CommandLine;
using System.Text;
using NeuralMemory.Models;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory generate DIR</c>: lets a language model go on with a text, and writes each character as it comes.</summary>
static class GenerateCommand
{
    static readonly Argument<string?> path = Options.Path("path", "The folder of a run of the task lm, or a checkpoint.");
    static readonly Option<string?> prompt = new("--prompt") { Description = "What the text begins with; at least one character, at most as many as the model can look back upon.", HelpName = "TEXT" };
    static readonly Option<long?> count = Options.Count("--max-tokens", "Characters to write; 200 by default.");
    static readonly Option<ulong?> seed = Options.Seed("Decides what is drawn; 1 by default.");
    static readonly Option<double?> temperature = Options.Number("--temperature", "What the logits are divided by; 1 by default. Below 1 the likely become likelier.", "a number above 0", value => value > 0);
    static readonly Option<long?> topK = Options.Count("--top-k", "Only so many of the likeliest characters can be drawn.");
    static readonly Option<double?> topP = Options.Number("--top-p", "Only the fewest of the likeliest characters whose probabilities reach this sum can be drawn.", "a number above 0 and not above 1", value => value is > 0 and <= 1);
    static readonly Option<bool> greedy = new("--greedy") { Description = "Writes the likeliest character each time, and draws nothing." };

    public static Command Create(Session session)
    {
        Command command = new("generate", "Lets a language model go on with a text.") { path, prompt, count, seed, temperature, topK, topP, greedy };
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        if (parsed.GetValue(greedy))
            foreach (Option option in (Option[])[temperature, topK, topP])
                if (parsed.GetResult(option) is not null) throw new UsageException($"--greedy and {option.Name} exclude each other: greedy draws nothing.");
        string given = parsed.GetValue(path)!;
        Checkpoint checkpoint = Checkpoint.Read(Directory.Exists(given) ? new RunFolder(given).CheckpointPath : given);
        RunConfiguration run = RunConfiguration.Read(checkpoint);
        if (run.Recipe is not LanguageRecipe recipe) throw new UsageException($"{given}: this run's task is {run.Task}; generate goes on with runs of lm.");
        Vocabulary vocabulary = LanguageRecipe.Vocabulary(run);
        LanguageModel model = recipe.CreateModel(run);
        int[] begin = Prompt(parsed.GetValue(prompt), vocabulary, model);
        checkpoint.Restore(model);
        if (Directory.Exists(given)) new RunFolder(given).LoadBest(model);
        model.IsTraining = false;

        Sampling sampling = parsed.GetValue(greedy) ? Sampling.Greedy : new(parsed.GetValue(temperature) ?? 1, (int?)parsed.GetValue(topK), parsed.GetValue(topP) ?? 1);
        session.Output.Write(parsed.GetValue(prompt));
        foreach (int token in model.Generate(begin, sampling, new(parsed.GetValue(seed) ?? 1, RandomStreams.Evaluation)).Take((int)(parsed.GetValue(count) ?? 200)))
        {
            session.Interrupted.ThrowIfCancellationRequested();
            session.Output.Write(vocabulary[token].ToString());
            session.Output.Flush();
        }
        session.Output.WriteLine();
        return ExitCode.Done;
    }

    static int[] Prompt(string? text, Vocabulary vocabulary, LanguageModel model)
    {
        if (string.IsNullOrEmpty(text)) throw new UsageException("--prompt: a text of at least one character was expected.");
        try
        {
            int[] tokens = vocabulary.Encode(text);
            return tokens.Length <= model.Context ? tokens
                : throw new UsageException($"--prompt: {tokens.Length} characters are more than the {model.Context} that the model can look back upon.");
        }
        catch (FormatException e)
        {
            throw new UsageException($"--prompt: {e.Message}");
        }
    }
}
