using System.Diagnostics;
using NeuralMemory.Training;
using Spectre.Console;

namespace NeuralMemory.Cli;

/// <summary>
/// The view on a terminal. Training hands over a <see cref="Snapshot"/> now and then and goes on; another thread draws the latest.
/// </summary>
sealed class LiveView(Session session, RunConfiguration run, Module model) : IView
{
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    readonly List<double> costs = [];
    readonly Lock costsLock = new();
    volatile Snapshot? latest;
    volatile IReadOnlyList<Picture> pictures = [];
    long begun, began, done;

    public string Heading { get; } = Progress.Heading(run, model.ParameterCount);

    /// <summary>For a narrow terminal.</summary>
    public string ShortHeading { get; } = $"{run.Task}, {run.Model}, seed {run.Seed}, {model.ParameterCount:n0} parameters, on {Backend.Current.Name}";

    /// <summary>Sequences seen.</summary>
    public long Done => Interlocked.Read(ref done);

    public long Total => run.Sequences;

    /// <summary>What <see cref="Costs"/> counts: bits or nats.</summary>
    public string CostUnit => run.Recipe.CostUnit;

    /// <summary>The cost of every log interval of this process.</summary>
    public double[] Costs
    {
        get
        {
            lock (costsLock) return [.. costs];
        }
    }

    /// <summary>Sequences a second since this process began to train.</summary>
    public double Rate => (Done - begun) / Math.Max(Stopwatch.GetElapsedTime(began).TotalSeconds, .05);

    public string Left => Progress.Left(Total - Done, Rate);

    /// <summary>The longest so far: pictures keep their scale while lengths change.</summary>
    public int MostSteps { get; private set; }

    public int MostOutputSteps { get; private set; }

    public TrainingResult Run(Trainer trainer, Func<TrainingResult> train)
    {
        (begun, done, began) = (trainer.State.Sequences, trainer.State.Sequences, Stopwatch.GetTimestamp());
        trainer.Logged += metrics =>
        {
            lock (costsLock) costs.Add(run.Recipe.Cost(metrics));
        };
        trainer.Sampled += sample =>
        {
            if (sample.Objective is SequenceObjective bits)
            {
                Snapshot next = Snapshot.Of(bits);
                MostSteps = Math.Max(MostSteps, next.Steps);
                MostOutputSteps = Math.Max(MostOutputSteps, next.Target.GetLength(1));
                latest = next;
            }
            else pictures = sample.Objective.Pictures();
            Interlocked.Exchange(ref done, sample.Sequences);
        };
        return session.Console.Live(new Frame(this, null, [], session.Console.Profile.Height))
            .Overflow(VerticalOverflow.Crop).Cropping(VerticalOverflowCropping.Bottom)
            .Start(context => WhileDrawing(context, trainer, train));
    }

    TrainingResult WhileDrawing(LiveDisplayContext context, Trainer trainer, Func<TrainingResult> train)
    {
        using ManualResetEventSlim ended = new();
        Thread drawing = new(DrawUntilEnded) { IsBackground = true, Name = "Live view" };
        drawing.Start();
        try
        {
            return train();
        }
        finally
        {
            ended.Set();
            drawing.Join();
            Interlocked.Exchange(ref done, trainer.State.Sequences);
            Draw(context);
        }

        void DrawUntilEnded()
        {
            while (!ended.Wait(Period)) Draw(context);
        }
    }

    void Draw(LiveDisplayContext context) => context.UpdateTarget(new Frame(this, latest, pictures, session.Console.Profile.Height));
}
