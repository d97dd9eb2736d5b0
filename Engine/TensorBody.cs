namespace NeuralMemory;

/// <summary>What a <see cref="Tensor"/> handle points at. Bodies made within a step belong to its arena and are used again in the next one.</summary>
sealed class TensorBody
{
    /// <summary>Increased when the step ends: handles that carry an older generation are dead.</summary>
    public int Generation;

    /// <summary>The arena of the step it was made in; null for a tensor that the garbage collector owns.</summary>
    public Arena? Arena;

    /// <summary>Keeps the memory of a tensor outside any step alive.</summary>
    public Storage? Storage;

    public Backend Backend = CpuBackend.Instance;
    public nint Address;
    public DType DType;
    public Shape Shape, Strides;
    public int Count;
    public bool Contiguous;

    /// <summary>The tensor this one is a view of. A view has no gradient of its own: its gradient is the same view of its base's.</summary>
    public Tensor Base;

    public bool RequiresGradient, RetainsGradient;

    /// <summary>That of a leaf, over all passes; that of an intermediate value only in the pass that is under way, until its operation has passed it on.</summary>
    public Tensor Gradient;

    /// <summary>For an intermediate value that <see cref="RetainsGradient"/>, the sum of its gradients of all passes.</summary>
    public Tensor Retained;

    /// <summary>Whether the gradient counts as zero, whatever its memory holds: nothing has been added since it was set to zero.</summary>
    public bool GradientIsZero;

    /// <summary>Whether the gradient is the tensor that was given to Backward: it is read, and neither added to nor given back.</summary>
    public bool GradientIsGiven;

    /// <summary>Whether it is some tensor's gradient, or the same memory detached from it: a backward pass may write to it.</summary>
    public bool IsGradient;

    /// <summary>Where a leaf's gradient is to be made, where a device has chosen a place for it.</summary>
    public Tensor GradientPlace;

    /// <summary>What a device keeps with those parameters that it has put side by side.</summary>
    public object? Group;

    /// <summary>The operation that made it; null for a leaf.</summary>
    public Operation? Producer;

    public Tensor Handle => new(this, Generation);

    public void Set(nint address, Shape shape, Shape strides, DType type)
    {
        (Address, Shape, Strides, DType) = (address, shape, strides, type);
        Count = shape.Count;
        Contiguous = Count == 0 || IsContiguous(shape, strides);
    }

    /// <summary>Whether several indices name one element: whether it is an expanded view.</summary>
    public bool RepeatsElements
    {
        get
        {
            for (int d = 0; d < Shape.Rank; d++)
                if (Strides[d] == 0 && Shape[d] > 1) return true;
            return false;
        }
    }

    static bool IsContiguous(Shape shape, Shape strides)
    {
        int expected = 1;
        for (int d = shape.Rank - 1; d >= 0; d--)
        {
            if (shape[d] != 1 && strides[d] != expected) return false;
            expected *= shape[d];
        }
        return true;
    }

    /// <summary>Adds the gradient of a pass, which has been passed on, to the retained one.</summary>
    /// <returns>Whether it has become that itself, as there was none, and lives as long.</returns>
    public bool Retain(Tensor gradient)
    {
        if (Retained.IsAlive)
        {
            Backend.Add(gradient, Retained);
            return false;
        }
        bool lives = gradient.Body.Arena is not { } arena || arena == Arena;
        Retained = lives ? gradient : Tensor.Allocate(Shape, DType, Tape.StepOf(this), Backend);
        Retained.Body.IsGradient = true;
        if (!lives) Backend.Copy(gradient, Retained);
        return lives;
    }

    /// <summary>Ends its life: every handle to it is stale, and nothing that it referred to is kept.</summary>
    public void Kill()
    {
        Generation++;
        Storage = null;
        Base = default;
        Gradient = default;
        if (RetainsGradient) Retained = default;
        Producer = null;
        RequiresGradient = RetainsGradient = GradientIsZero = GradientIsGiven = IsGradient = false;
    }
}
