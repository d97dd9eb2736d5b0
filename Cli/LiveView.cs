using NeuralMemory.Models;
using NeuralMemory.Training;

namespace NeuralMemory.Cli;

sealed class LiveView(Session session, RunConfiguration run, SequenceModel model) : IView
{
    public TrainingResult Run(Trainer trainer, Func<TrainingResult> train) => new PlainView(session, run, model).Run(trainer, train);
}
