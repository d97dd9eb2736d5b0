using System.CommandLine;
using System.Text;
using System.Text.Json;
using NeuralMemory.Checkpoints;
using NeuralMemory.Models;
using NeuralMemory.Tasks;
using NeuralMemory.Training;
using Spectre.Console;

namespace NeuralMemory.Cli;

/// <summary><c>neuralmemory ask DIR</c>: a question about a story, its answer, and which sentences were looked at for it.</summary>
static class AskCommand
{
    const int AnswersShown = 5;

    static readonly Argument<string?> path = Options.Path("path", "The folder of a run of the task babi, or a checkpoint.");
    static readonly Option<string?> story = Options.Folder("--story", "A text file with a sentence on each line, the oldest first.");
    static readonly Option<string?> question = new("--question") { Description = "A question about the story, in words that were trained on.", HelpName = "TEXT" };
    static readonly Option<bool> json = new("--json") { Description = "Writes one JSON object and nothing else." };

    public static Command Create(Session session)
    {
        story.HelpName = "FILE";
        Command command = new("ask", "Answers a question about a story, and shows which sentences each hop looked at.") { path, story, question, json };
        command.SetAction(parsed => Run(parsed, session));
        return command;
    }

    static int Run(ParseResult parsed, Session session)
    {
        string given = parsed.GetValue(path)!, file = parsed.GetValue(story) ?? throw new UsageException("--story: a text file with a sentence on each line is missing.");
        string[] asked = BabiFile.Words(parsed.GetValue(question) ?? "");
        if (asked.Length == 0) throw new UsageException("--question: a question of at least one word was expected.");
        Checkpoint checkpoint = Checkpoint.Read(Directory.Exists(given) ? new RunFolder(given).CheckpointPath : given);
        RunConfiguration run = RunConfiguration.Read(checkpoint);
        if (run.Recipe is not BabiRecipe) throw new UsageException($"{given}: this run's task is {run.Task}; ask answers with runs of babi.");
        WordList words = BabiRecipe.Words(run);
        string[][] sentences = BabiFile.ReadStory(file);
        BabiExample example = new([.. sentences.Select((s, i) => words.Numbers(s, $"{file}: line {i + 1}"))], words.Numbers(asked, "--question"), Answer: 0, Facts: []);

        MemN2N model = BabiRecipe.CreateModel(run);
        checkpoint.Restore(model);
        if (Directory.Exists(given)) new RunFolder(given).LoadBest(model);
        model.IsTraining = false;
        using (Tape.NoGradient())
        using (Tape.Step())
        {
            MemN2NRun answer = model.Run(StoryBatch.Of([example], [0], model.Options.Capacity));
            float[] p = answer.Logits.Softmax().ToArray(), attention = answer.Attention.ToArray();
            (string Word, float Probability)[] answers = [.. p.Index().OrderByDescending(a => a.Item).Take(AnswersShown).Select(a => (words.Words[a.Index], a.Item))];
            int kept = answer.Attention.Shape[2], left = sentences.Length - kept;
            if (parsed.GetValue(json)) session.Output.WriteLine(Json(answers, sentences, attention, model.Options.Hops, left));
            else Show(session, answers, sentences, attention, model.Options.Hops, left);
        }
        return ExitCode.Done;
    }

    static void Show(Session session, (string Word, float Probability)[] answers, string[][] sentences, float[] attention, int hops, int left)
    {
        session.Output.WriteLine($"{answers[0].Word}  ({string.Join(", ", answers.Select(a => $"{a.Word} {a.Probability:0.000}"))})");
        Table table = new() { Border = session.IsTerminal ? TableBorder.Rounded : TableBorder.Simple };
        table.AddColumn("sentence");
        for (int k = 1; k <= hops; k++) table.AddColumn(new TableColumn($"hop {k}").RightAligned());
        int kept = sentences.Length - left;
        for (int i = 0; i < sentences.Length; i++)
            table.AddRow([new Text(string.Join(' ', sentences[i])), .. Enumerable.Range(0, hops).Select(k => new Text(i < left ? "forgotten" : $"{attention[k * kept + i - left]:0.000}"))]);
        table.AddRow([new Text("(nothing)"), .. Enumerable.Range(0, hops).Select(k => new Text($"{Nothing(attention, kept, k):0.000}"))]);
        session.Console.Write(table);
    }

    /// <summary>What a hop gave to no sentence, but to the null memories.</summary>
    static float Nothing(float[] attention, int kept, int hop) => Math.Max(0, 1 - attention.AsSpan(hop * kept, kept).ToArray().Sum());

    static string Json((string Word, float Probability)[] answers, string[][] sentences, float[] attention, int hops, int left)
    {
        int kept = sentences.Length - left;
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            writer.WriteStartObject();
            writer.WriteString("answer", answers[0].Word);
            writer.WriteStartObject("probabilities");
            foreach ((string word, float probability) in answers) writer.WriteNumber(word, probability);
            writer.WriteEndObject();
            writer.WriteStartArray("sentences");
            for (int i = left; i < sentences.Length; i++)
            {
                writer.WriteStartObject();
                writer.WriteString("text", string.Join(' ', sentences[i]));
                writer.WriteStartArray("hops");
                for (int k = 0; k < hops; k++) writer.WriteNumberValue(attention[k * kept + i - left]);
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteStartArray("nothing");
            for (int k = 0; k < hops; k++) writer.WriteNumberValue(Nothing(attention, kept, k));
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }
}
