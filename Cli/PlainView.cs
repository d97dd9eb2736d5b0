using NeuralMemory.Training;

namespace NeuralMemory.Cli;

/// <summary>Lines for a file or a pipe: one now and then, without control codes.</summary>
sealed class PlainView(Session session, RunConfiguration run, Module model) : IView
{
    static readonly TimeSpan period = TimeSpan.FromSeconds(1);

    TimeSpan next;

    public TrainingResult Run(Trainer trainer, Func<TrainingResult> train)
    {
        // Where the folder cannot be written, the error is all there is to say.
        trainer.Begun += () => session.Output.WriteLine(
            Progress.Heading(run, model.ParameterCount) + (trainer.State.Sequences > 0 ? $", going on after {trainer.State.Sequences:n0} sequences" : ""));
        trainer.Logged += Show;
        return train();
    }

    /// <summary>However fast training is, a line a second is enough; the last is always shown.</summary>
    void Show(TrainingMetrics metrics)
    {
        if (metrics.Elapsed < next && metrics.Sequences < run.Sequences) return;
        next = metrics.Elapsed + period;
        string left = Progress.Left(run.Sequences - metrics.Sequences, metrics.SequencesPerSecond);
        session.Output.WriteLine(
            $"{metrics.Sequences,8} / {run.Sequences}  {run.Recipe.Describe(metrics)}  "
            + $"{metrics.SequencesPerSecond,6:0} sequences/s  {metrics.TimeStepsPerSecond,7:0} steps/s  {left} left");
    }
}
