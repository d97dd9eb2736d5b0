using System.Globalization;
using System.Text;
using NeuralMemory.Checkpoints;
using NeuralMemory.Tasks;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>
/// <c>train babi --story-task all --runs K</c>: every task from K seeds, and a table of the best run of each, the one with the least error on the questions trained on, as in the paper. Each run has
/// a folder of its own within one, which keeps the table as well; the same command goes on where it was interrupted, and one with more runs adds to those that are there.
/// </summary>
sealed class BabiTable(RunConfiguration all, int runs, string folder, long? checkpointEvery, Session session)
{
    /// <summary>Sukhbaatar et al. 2015 (arXiv:1503.08895), table 1, column "PE LS RN": the error in percent with 1,000 questions a task, of 10 runs the best by its training error.</summary>
    static readonly double[] published = [0.0, 8.3, 40.3, 2.8, 13.1, 7.6, 17.3, 10.0, 13.2, 15.1, 0.9, 0.2, 0.4, 1.7, 0.0, 1.3, 51.0, 11.1, 82.8, 0.0];

    readonly BabiRecipe recipe = (BabiRecipe)all.Recipe;
    readonly IReadOnlyList<int> tasks = all.Has(Settings.Data) ? [.. Enumerable.Range(1, BabiTask.Count)] : BabiGenerator.Tasks;

    /// <summary>What a run came to: shares of the questions answered wrongly, and the cost of a question trained on in nats.</summary>
    sealed record Ended(int Task, ulong Seed, double Error, double TrainingError, double TrainingLoss);

    /// <summary>Trains whatever is not there yet, one seed after the other, and tests all of it.</summary>
    /// <returns>The table; null where it was interrupted.</returns>
    /// <exception cref="UsageException">A run that is there was begun with other options.</exception>
    public Report? Run()
    {
        List<Ended> ended = [];
        foreach (ulong seed in Enumerable.Range(0, runs).Select(i => all.Seed + (ulong)i))
            foreach (int task in tasks)
            {
                if (Train(task, seed) is not { } run) return null;
                ended.Add(run);
                session.Output.WriteLine($"task {task}, seed {seed}: error {Percent(run.Error)}%, {Percent(run.TrainingError)}% of those trained on, {run.TrainingLoss:0.0000} nats");
            }
        Report table = Table(ended);
        AtomicFile.Write(Path.Combine(folder, "table.md"), stream => stream.Write(Encoding.UTF8.GetBytes(table.ToMarkdown())));
        return table;
    }

    /// <summary>One run; null where it was interrupted.</summary>
    Ended? Train(int task, ulong seed)
    {
        RunConfiguration run = recipe.Prepare(all.With(BabiRecipe.Number, task).With(Settings.Seed, seed));
        RunFolder place = new(Path.Combine(folder, $"task-{task}-seed-{seed}"));
        bool begun = File.Exists(place.CheckpointPath);
        if (begun && RunConfiguration.Read(Checkpoint.Read(place.CheckpointPath)) is { } before && before.ToJson() != run.ToJson())
            throw new UsageException($"{place.Path}: this run was begun with other options than those given: {before.ToJson()}");
        BabiObjective objective = (BabiObjective)recipe.Create(run);
        Trainer trainer = new(objective, recipe.CreateOptimizer(run, objective.Model), run.TrainerOptions(place.Path) with { CheckpointInterval = checkpointEvery });
        if (begun) trainer.Resume();
        if (trainer.Run(session.Interrupted).Interrupted) return null;
        place.LoadBest(objective.Model);
        try
        {
            (double trained, double loss) = objective.TestTraining(session.Interrupted);
            return new(task, seed, 1 - objective.Test(session.Interrupted).Accuracy, 1 - trained, loss);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    Report Table(List<Ended> ended)
    {
        bool beside = all.Has(Settings.Data);
        (Ended Kept, double Least, double Most)[] best = [.. ended.GroupBy(run => run.Task).Select(task => (
            task.OrderBy(run => run.TrainingError).ThenBy(run => run.TrainingLoss).First(), task.Min(run => run.Error), task.Max(run => run.Error)))];
        double mean = best.Average(task => task.Kept.Error);
        string[][] rows = [.. best.Select(task => (string[])
            [$"{task.Kept.Task}", Percent(task.Kept.Error), $"{task.Kept.Seed}", Percent(task.Kept.TrainingError), $"{Percent(task.Least)} to {Percent(task.Most)}", Published(published[task.Kept.Task - 1])])];
        string[] last = ["mean", Percent(mean), "", Percent(best.Average(task => task.Kept.TrainingError)), "", Published(published.Average())];
        return new($"Questions not trained on, answered wrongly: of {runs} {(runs == 1 ? "run" : "runs")} that with the least error on those trained on; {all.Model}",
            ["task", "error, %", "seed", "trained on, %", "all runs, %", "published, %"], [.. rows, last], json =>
        {
            json.WriteNumber("runs", runs);
            json.WriteNumber("error", mean);
            json.WriteStartArray("tasks");
            foreach ((Ended kept, double least, double most) in best)
            {
                json.WriteStartObject();
                json.WriteNumber("story_task", kept.Task);
                json.WriteNumber("seed", kept.Seed);
                json.WriteNumber("error", kept.Error);
                json.WriteNumber("training_error", kept.TrainingError);
                json.WriteNumber("least", least);
                json.WriteNumber("most", most);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });

        string Published(double percent) => beside ? percent.ToString("0.0", CultureInfo.InvariantCulture) : "";
    }

    static string Percent(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture);
}
