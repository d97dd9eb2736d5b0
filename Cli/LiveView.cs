using System.Diagnostics;
using NeuralMemory.Models;
using NeuralMemory.Training;
using Spectre.Console;

namespace NeuralMemory.Cli;

/// <summary>
/// The view on a terminal. Training hands over a <see cref="Snapshot"/> now and then and goes on; another thread draws the latest.
/// </summary>
sealed class LiveView(Session session, RunConfiguration run, SequenceModel model) : IView
{
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(150);

    readonly List<double> costs = [];
    readonly Lock costsLock = new();
    volatile Snapshot? latest;
    long began;

    public string Heading { get; } = Progress.Heading(run, model.ParameterCount);

    /// <summary>Sequences seen before this process.</summary>
    public long Begun { get; private set; }

    public long Total => run.Sequences;

    /// <summary>The cost of every log interval of this process, in bits a sequence.</summary>
    public double[] Costs
    {
        get
        {
            lock (costsLock) return [.. costs];
        }
    }

    /// <summary>Sequences a second since this process began to train.</summary>
    public double Rate => latest is { } sample ? (sample.Sequences - Begun) / Math.Max(Stopwatch.GetElapsedTime(began).TotalSeconds, .05) : 0;

    public string Left => Progress.Left(Total - (latest?.Sequences ?? Begun), Rate);

    /// <summary>The longest so far: pictures keep their scale while lengths change.</summary>
    public int MostSteps { get; private set; }

    public int MostOutputSteps { get; private set; }

    public TrainingResult Run(Trainer trainer, Func<TrainingResult> train)
    {
        (Begun, began) = (trainer.State.Sequences, Stopwatch.GetTimestamp());
        trainer.Logged += metrics =>
        {
            lock (costsLock) costs.Add(metrics.BitsPerSequence);
        };
        trainer.Sampled += sample =>
        {
            Snapshot next = Snapshot.Of(sample, model);
            MostSteps = Math.Max(MostSteps, next.Steps);
            MostOutputSteps = Math.Max(MostOutputSteps, next.Target.GetLength(1));
            latest = next;
        };
        return session.Console.Live(new Frame(this, null, session.Console.Profile.Height)).Overflow(VerticalOverflow.Crop).Cropping(VerticalOverflowCropping.Bottom).Start(context =>
        {
            using ManualResetEventSlim ended = new();
            Thread drawing = new(() =>
            {
                while (!ended.Wait(Period)) Draw(context);
            }) { IsBackground = true, Name = "Live view" };
            drawing.Start();
            try
            {
                return train();
            }
            finally
            {
                ended.Set();
                drawing.Join();
                Draw(context);
            }
        });
    }

    void Draw(LiveDisplayContext context) => context.UpdateTarget(new Frame(this, latest, session.Console.Profile.Height));
}
