using System.Runtime.InteropServices;

namespace NeuralMemory.Cli;

static class Program
{
    static int Main(string[] args)
    {
        using CancellationTokenSource interrupted = new();
        Session session = Session.OfConsole(interrupted.Token);
        // The first signal ends training after the current update, with a checkpoint; the second ends the process.
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        return CommandLine.Run(args, session);

        void Interrupt(PosixSignalContext context)
        {
            if (interrupted.IsCancellationRequested)
            {
                session.ShowCursor();
                return;
            }
            context.Cancel = true;
            interrupted.Cancel();
        }
    }
}
