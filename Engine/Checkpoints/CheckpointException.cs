namespace NeuralMemory.Checkpoints;

/// <summary>
/// A checkpoint, or a file beside it, that cannot be read or written. The message names the file, the tensor, key or byte offset, and
/// what was expected and found there.
/// </summary>
/// <param name="message">What is wrong, and where.</param>
/// <param name="innerException">The cause, where another exception told of it.</param>
public sealed class CheckpointException(string message, Exception? innerException = null) : IOException(message, innerException);
