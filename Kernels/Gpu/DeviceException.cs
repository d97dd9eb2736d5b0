namespace NeuralMemory;

/// <summary>A device that is not there, or cannot do what was asked of it. The message says what was asked and what to do.</summary>
public sealed class DeviceException : Exception
{
    /// <summary>With what went wrong.</summary>
    public DeviceException(string message) : base(message) { }

    /// <summary>With what went wrong and the driver's own error.</summary>
    public DeviceException(string message, Exception inner) : base(message, inner) { }
}
