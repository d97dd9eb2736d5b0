namespace NeuralMemory.Cli;

/// <summary>What the program tells its caller.</summary>
static class ExitCode
{
    public const int Done = 0;

    /// <summary>Training itself went wrong: a loss became NaN.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage or bad input; one line on standard error says what and where.</summary>
    public const int BadInput = 2;

    /// <summary>Ended by Ctrl-C, with a checkpoint: 128 + SIGINT, as shells have it.</summary>
    public const int Interrupted = 130;
}

/// <summary>Something that the user asked for cannot be done; the message is the line that they are shown.</summary>
sealed class UsageException(string message) : Exception(message);
