using System.CommandLine;
using System.CommandLine.Parsing;
using NeuralMemory.Checkpoints;
using NeuralMemory.Tasks;

namespace NeuralMemory.Cli;

/// <summary>From arguments to an exit code.</summary>
static class CommandLine
{
    public static int Run(string[] args, Session session)
    {
        RootCommand root = new("Trains and tests neural networks that read, write and address a memory.")
        {
            TrainCommand.Create(session), EvalCommand.Create(session), GenerateCommand.Create(session), AskCommand.Create(session), InspectCommand.Create(session),
            PlotCommand.Create(session), DevicesCommand.Create(session),
        };
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        try
        {
            if (parsed.Errors.Count > 0) throw new UsageException(Describe(parsed));
            return parsed.Invoke(new() { Output = session.Output, Error = session.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (NonFiniteException e)
        {
            return Fail(e, ExitCode.Failed);
        }
        catch (Exception e) when (e is UsageException or CheckpointException or ShapeException or TextFileException or MapException or InvalidDataException or FileNotFoundException or DeviceException or NotSupportedException)
        {
            return Fail(e, ExitCode.BadInput);
        }
        catch (OutOfMemoryException)
        {
            return Fail(new UsageException("There is not enough memory for this. Smaller sizes, lengths or batches need less."), ExitCode.BadInput);
        }

        int Fail(Exception e, int code)
        {
            session.Error.WriteLine($"neuralmemory: {string.Join(' ', e.Message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries))}");
            return code;
        }
    }

    /// <summary>The first thing that is wrong, in one sentence, and where to read on.</summary>
    static string Describe(ParseResult parsed)
    {
        CommandResult command = parsed.CommandResult;
        string name = command.Command is RootCommand ? "neuralmemory" : $"neuralmemory {command.Command.Name}";
        string wrong = parsed.UnmatchedTokens.Count == 0 ? parsed.Errors[0].Message
            : command.Command.Subcommands.Count == 0 ? $"'{parsed.UnmatchedTokens[0]}' is no option of '{name}'."
            : $"'{parsed.UnmatchedTokens[0]}' is no command. The commands are {string.Join(", ", command.Command.Subcommands.Select(c => c.Name))}.";
        return $"{wrong} See '{name} --help'.";
    }
}
