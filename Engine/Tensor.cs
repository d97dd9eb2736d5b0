using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>
/// A handle to an n-dimensional array of numbers and to its place on the tape. Operations are added to it by the files that implement them.
/// </summary>
/// <remarks>
/// Tensors need no disposing. One made within <see cref="Tape.Step"/> lives until that step ends, and using it afterwards throws; one made outside
/// any step lives for as long as something refers to it.
/// </remarks>
public readonly unsafe partial struct Tensor
{
    readonly TensorBody? body;
    readonly int generation;

    internal Tensor(TensorBody body, int generation) => (this.body, this.generation) = (body, generation);

    internal TensorBody Body
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            TensorBody? b = body;
            if (b is null || b.Generation != generation) ThrowDead(b);
            return b;
        }
    }

    [DoesNotReturn]
    static void ThrowDead(TensorBody? body) => throw new InvalidOperationException(body is null
        ? "This Tensor was never given a value (it is default)."
        : "This tensor was made in a step that has ended. Read it before the step ends (Item, ToArray), or take it out with Keep().");

    /// <summary>Whether the tensor can still be used: false for <c>default</c> and for one whose step has ended.</summary>
    public bool IsAlive => body is { } b && b.Generation == generation;

    /// <summary>Whether both are handles to one tensor: the same elements, seen in the same way, at the same place on the tape.</summary>
    public bool IsSameAs(Tensor other) => body == other.body && generation == other.generation;

    /// <summary>The sizes of its dimensions.</summary>
    public Shape Shape => Body.Shape;

    /// <summary>For each dimension, how many elements lie between neighbours along it; 0 where it is broadcast.</summary>
    public Shape Strides => Body.Strides;

    /// <summary>The number of dimensions.</summary>
    public int Rank => Body.Shape.Rank;

    /// <summary>The number of elements.</summary>
    public int Count => Body.Count;

    /// <summary>What the elements are.</summary>
    public DType DType => Body.DType;

    /// <summary>Where the elements are.</summary>
    public Backend Backend => Body.Backend;

    /// <summary>Whether the elements lie without gaps in the order of their indices.</summary>
    public bool IsContiguous => Body.Contiguous;

    /// <summary>The address of the first element, in the machine's own memory. Valid for as long as the tensor is alive and reachable.</summary>
    /// <exception cref="ShapeException">The elements are not of type <typeparamref name="T"/>.</exception>
    /// <exception cref="InvalidOperationException">The tensor is on another device than the CPU.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T* Pointer<T>() where T : unmanaged
    {
        TensorBody b = Body;
        if (b.DType != DTypes.Of<T>()) ThrowType(b.DType, DTypes.Of<T>());
        if (b.Backend != CpuBackend.Instance) ThrowDevice(b);
        return (T*)b.Address;
    }

    /// <summary>The address of the first element in its device's memory: a pointer on the CPU, on others a number that only the device can use.</summary>
    public nint Address => Body.Address;

    [DoesNotReturn]
    static void ThrowType(DType actual, DType expected) => throw new ShapeException("Tensor", $"elements are {actual}, but {expected} was asked for.");

    [DoesNotReturn]
    static void ThrowDevice(TensorBody b) => throw new InvalidOperationException(
        $"A tensor {b.Shape} is on {b.Backend.Name}, but what computes with it runs on {CpuBackend.Instance.Name}. Enter Backend.Use, or bring the tensor over with On.");

    // ---- Making tensors ----

    /// <summary>A tensor whose contents are undefined, for an operation to write.</summary>
    public static Tensor Empty(Shape shape, DType type = DType.Float32) => Allocate(shape, type, Tape.Current.Arena, Backend.Current);

    /// <summary>A tensor that the garbage collector owns, even within a step: parameters, their gradients, an optimiser's state.</summary>
    public static Tensor Persistent(Shape shape, DType type = DType.Float32)
    {
        Tensor tensor = Allocate(shape, type, null, Backend.Current);
        tensor.Clear();
        return tensor;
    }

    /// <summary>Zeros of the shape and type, and on the device, of another tensor, that the garbage collector owns.</summary>
    internal static Tensor Like(Tensor other)
    {
        Tensor tensor = Allocate(other.Shape, other.DType, null, other.Backend);
        tensor.Clear();
        return tensor;
    }

    /// <summary>A tensor in an arena or, where there is none or it is another device's, in memory that the garbage collector gives back.</summary>
    internal static Tensor Allocate(Shape shape, DType type, Arena? arena, Backend backend)
    {
        backend.Require(type);
        if (arena?.Backend != backend) arena = null;
        foreach (int size in shape)
            if (size < 0) throw new ShapeException("Tensor", $"{shape} has a negative size.");
        TensorBody body = arena?.NewBody() ?? new TensorBody();
        long bytes = (long)shape.Count * type.Size();
        body.Backend = backend;
        if (arena is null) body.Storage = new Storage(backend, bytes);
        body.Set(arena?.Allocate(bytes) ?? body.Storage!.Address, shape, shape.ContiguousStrides(), type);
        return body.Handle;
    }

    /// <summary>A tensor of zeros.</summary>
    public static Tensor Zeros(Shape shape, DType type = DType.Float32)
    {
        Tensor tensor = Empty(shape, type);
        tensor.Clear();
        return tensor;
    }

    /// <summary>A tensor of ones.</summary>
    public static Tensor Ones(Shape shape, DType type = DType.Float32) => Full(shape, 1, type);

    /// <summary>A tensor of one value everywhere.</summary>
    public static Tensor Full(Shape shape, double value, DType type = DType.Float32)
    {
        Tensor tensor = Empty(shape, type);
        tensor.Fill(value);
        return tensor;
    }

    /// <summary>A single number: shape [].</summary>
    public static Tensor Scalar(double value, DType type = DType.Float32) => Full([], value, type);

    /// <summary>A copy of <paramref name="values"/>, the last dimension fastest.</summary>
    /// <exception cref="ShapeException">Their number is not the shape's.</exception>
    public static Tensor From(ReadOnlySpan<float> values, Shape shape) => From<float>(values, shape);

    /// <inheritdoc cref="From(ReadOnlySpan{float}, Shape)"/>
    public static Tensor From(ReadOnlySpan<int> values, Shape shape) => From<int>(values, shape);

    /// <inheritdoc cref="From(ReadOnlySpan{float}, Shape)"/>
    public static Tensor From(ReadOnlySpan<double> values, Shape shape) => From<double>(values, shape);

    static Tensor From<T>(ReadOnlySpan<T> values, Shape shape) where T : unmanaged, INumber<T>
    {
        Tensor tensor = Empty(shape, DTypes.Of<T>());
        tensor.CopyFrom(values);
        return tensor;
    }

    /// <summary>The integers <paramref name="start"/>, <paramref name="start"/> + 1, ... as an index tensor: shape [count].</summary>
    public static Tensor Range(int start, int count)
    {
        Tensor tensor = Empty([count], DType.Int32);
        Span<int> values = tensor.Backend is CpuBackend ? new Span<int>(tensor.Pointer<int>(), count) : new int[count];
        for (int i = 0; i < count; i++) values[i] = start + i;
        if (tensor.Backend is not CpuBackend) tensor.CopyFrom<int>(values);
        return tensor;
    }

    // ---- Reading and writing elements ----

    /// <summary>The only element of a tensor that has one.</summary>
    /// <exception cref="ShapeException">It has none, or more.</exception>
    public double Item() => Count == 1 ? Read(Body, 0) : throw new ShapeException("Item", $"{Shape} has {Count} elements; exactly one was expected.");

    /// <summary>One element, by its index in every dimension; <c>^1</c> is the last.</summary>
    /// <exception cref="ShapeException">Too few or too many indices, or one out of range.</exception>
    [IndexerName("Element")]
    public double this[params ReadOnlySpan<Index> indices]
    {
        get
        {
            TensorBody b = Body;
            if (indices.Length != b.Shape.Rank) throw new ShapeException("Tensor", $"{indices.Length} indices for {b.Shape}, which has {b.Shape.Rank} dimensions.");
            int offset = 0;
            for (int d = 0; d < indices.Length; d++)
            {
                int i = indices[d].GetOffset(b.Shape[d]);
                if ((uint)i >= (uint)b.Shape[d]) throw new ShapeException("Tensor", $"index {indices[d]} in dimension {d} of {b.Shape}: 0 to {b.Shape[d] - 1} was expected.");
                offset += i * b.Strides[d];
            }
            return Read(b, offset);
        }
    }

    static double Read(TensorBody b, int offset)
    {
        double value = 0;
        long size = b.DType.Size();
        b.Backend.CopyToHost(b.Address + (nint)(offset * size), &value, size);
        return b.DType switch
        {
            DType.Float32 => *(float*)&value,
            DType.Float64 => value,
            _ => *(int*)&value,
        };
    }

    /// <summary>All elements as floats, in the order of their indices.</summary>
    public float[] ToArray() => ToArray<float>();

    /// <summary>All elements, converted to <typeparamref name="T"/>, in the order of their indices.</summary>
    public T[] ToArray<T>() where T : unmanaged, INumber<T>
    {
        T[] values = new T[Count];
        CopyTo<T>(values);
        return values;
    }

    /// <summary>Copies all elements, converted to <typeparamref name="T"/> (float, double or int), in the order of their indices.</summary>
    /// <exception cref="ShapeException"><paramref name="destination"/> is not as long as the tensor.</exception>
    public void CopyTo<T>(Span<T> destination) where T : unmanaged, INumber<T>
    {
        TensorBody b = Body;
        if (destination.Length != b.Count) throw new ShapeException("CopyTo", $"{b.Shape} has {b.Count} elements, but the destination has room for {destination.Length}.");
        if (b.Backend is not CpuBackend && b.Contiguous && b.DType == DTypes.Of<T>())
        {
            fixed (T* to = destination) b.Backend.CopyToHost(b.Address, to, (long)b.Count * b.DType.Size());
            GC.KeepAlive(b);
            return;
        }
        Tensor host = OnHost();
        switch (b.DType)
        {
            case DType.Float32: Strided.Copy(host.Pointer<float>(), b.Shape, host.Strides, destination); break;
            case DType.Float64: Strided.Copy(host.Pointer<double>(), b.Shape, host.Strides, destination); break;
            default: Strided.Copy(host.Pointer<int>(), b.Shape, host.Strides, destination); break;
        }
        GC.KeepAlive(host.Body);
    }

    /// <summary>This tensor, or where it is on another device, a copy in the machine's own memory.</summary>
    Tensor OnHost()
    {
        TensorBody b = Body;
        if (b.Backend is CpuBackend) return this;
        Tensor source = IsContiguous ? this : Keep(), host = Allocate(b.Shape, b.DType, null, CpuBackend.Instance);
        b.Backend.CopyToHost(source.Body.Address, (void*)host.Body.Address, (long)b.Count * b.DType.Size());
        GC.KeepAlive(source.Body);
        return host;
    }

    /// <summary>Overwrites all elements, in the order of their indices, outside the tape.</summary>
    /// <exception cref="ShapeException">The number of values is not the tensor's, or the tensor is a view with gaps.</exception>
    public void CopyFrom<T>(ReadOnlySpan<T> values) where T : unmanaged, INumber<T>
    {
        TensorBody b = Body;
        if (values.Length != b.Count) throw new ShapeException("CopyFrom", $"{b.Shape} has {b.Count} elements, but {values.Length} values were given.");
        if (!b.Contiguous) throw new ShapeException("CopyFrom", $"{b.Shape} is a view with strides {b.Strides}; only a contiguous tensor can be overwritten.");
        if (b.Backend is not CpuBackend && b.DType == DTypes.Of<T>())
        {
            fixed (T* from = values) b.Backend.CopyFromHost(from, b.Address, (long)b.Count * b.DType.Size());
            GC.KeepAlive(b);
            return;
        }
        Tensor host = b.Backend is CpuBackend ? this : Allocate(b.Shape, b.DType, null, CpuBackend.Instance);
        switch (b.DType)
        {
            case DType.Float32: Strided.Convert(values, host.Pointer<float>()); break;
            case DType.Float64: Strided.Convert(values, host.Pointer<double>()); break;
            default: Strided.Convert(values, host.Pointer<int>()); break;
        }
        if (b.Backend is not CpuBackend) b.Backend.CopyFromHost((void*)host.Body.Address, b.Address, (long)b.Count * b.DType.Size());
        GC.KeepAlive(host.Body);
    }

    /// <summary>Overwrites all elements with those of <paramref name="source"/>, converted, outside the tape. A contiguous source of the same type may overlap this tensor.</summary>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    public void CopyFrom(Tensor source)
    {
        if (source.Shape != Shape) throw new ShapeException("CopyFrom", $"{source.Shape} into {Shape}: the shapes must be the same.");
        if (!IsContiguous) throw new ShapeException("CopyFrom", $"{Shape} is a view with strides {Strides}; only a contiguous tensor can be overwritten.");
        if (source.DType == DType && source.Backend == Backend) Backend.Copy(source, this);
        else if (source.DType == DType.Float64) source.CopyIntoConverted<double>(this);
        else if (source.DType == DType.Float32) source.CopyIntoConverted<float>(this);
        else source.CopyIntoConverted<int>(this);
    }

    void CopyIntoConverted<T>(Tensor target) where T : unmanaged, INumber<T>
    {
        if (IsContiguous && Backend is CpuBackend) target.CopyFrom(new ReadOnlySpan<T>(Pointer<T>(), Count));
        else target.CopyFrom<T>(ToArray<T>());
    }

    /// <summary>Sets every element to <paramref name="value"/>, outside the tape.</summary>
    /// <exception cref="ShapeException">The tensor is a view with gaps.</exception>
    public void Fill(double value)
    {
        TensorBody b = Body;
        if (!b.Contiguous) throw new ShapeException("Fill", $"{b.Shape} is a view with strides {b.Strides}; only a contiguous tensor can be overwritten.");
        b.Backend.Fill(this, value);
    }

    void Clear()
    {
        TensorBody b = Body;
        b.Backend.Set(b.Address, (long)b.Count * b.DType.Size(), 0);
    }

    // ---- The tape ----

    /// <summary>Whether operations on this tensor are recorded for differentiation.</summary>
    public bool RequiresGradient => Root.RequiresGradient;

    /// <summary>Marks a leaf, such as a parameter, as one whose gradient is wanted, or takes the mark away.</summary>
    /// <returns>The same tensor.</returns>
    /// <exception cref="InvalidOperationException">It was computed by an operation, or its elements are integers.</exception>
    public Tensor RequireGradient(bool required = true)
    {
        TensorBody b = Root;
        if (!b.DType.IsFloat()) throw new InvalidOperationException($"RequireGradient: {b.Shape} holds {b.DType}; only real numbers have a gradient.");
        if (b.Producer is not null) throw new InvalidOperationException($"RequireGradient: {b.Shape} was computed by {b.Producer.Name}; only a leaf can be marked. Use RetainGradient.");
        b.RequiresGradient = required;
        return this;
    }

    /// <summary>Asks that the gradient of an intermediate value be kept after <see cref="Backward()"/>, as a leaf's is.</summary>
    /// <returns>The same tensor.</returns>
    public Tensor RetainGradient()
    {
        Root.RetainsGradient = true;
        return this;
    }

    /// <summary>Whether a gradient has been computed for this tensor.</summary>
    public bool HasGradient => Root is { Producer: null } leaf ? leaf.Gradient.IsAlive : Root.Retained.IsAlive;

    /// <summary>d loss / d this, of the same shape, accumulated by every <see cref="Backward()"/> since the last <see cref="ZeroGradient"/>.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public Tensor Gradient => !HasGradient
        ? throw new InvalidOperationException($"Gradient: {Shape} has none. Call Backward first; the tensor must require a gradient, and an intermediate value must be asked to retain its own.")
        : Root.Producer is null ? GradientToAccumulate() : SameView(Body, Root, Root.Retained);

    /// <summary>Sets the gradient, if there is one, to zero.</summary>
    /// <remarks>On the CPU its memory is not touched before it is read through <see cref="Gradient"/> or written by the next backward pass, which then need not read zeros to add to them.</remarks>
    public void ZeroGradient()
    {
        if (!HasGradient) return;
        if (Root.Producer is not null) Root.Retained.Clear();
        else if (Backend is CpuBackend) Root.GradientIsZero = true;
        else Root.Gradient.Clear();
    }

    /// <summary>The same values, cut off from the tape.</summary>
    public Tensor Detach()
    {
        TensorBody b = Body, root = Root;
        TensorBody detached = root.CloneView(root.Shape, root.Strides, 0);
        (detached.Base, detached.IsGradient) = (default, root.IsGradient);
        return root == b ? detached.Handle : detached.CloneView(b.Shape, b.Strides, b.Address - root.Address).Handle;
    }

    /// <summary>A copy that outlives the step: owned by the garbage collector and cut off from the tape.</summary>
    public Tensor Keep() => On(Backend);

    /// <summary>A copy on another device, or on the same one: owned by the garbage collector and cut off from the tape.</summary>
    public Tensor On(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        Tensor copy = Allocate(Shape, DType, null, backend);
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>Gives a leaf outside any step other elements of the same values; every handle to it sees the change. Its gradient is dropped.</summary>
    internal void ConvertInPlace(DType type, Backend backend)
    {
        TensorBody b = Body;
        if (b.DType == type && b.Backend == backend) return;
        Tensor converted = Allocate(b.Shape, type, null, backend);
        converted.CopyFrom(this);
        (b.Storage, b.Gradient, b.GradientIsZero, b.GradientPlace, b.Group, b.Backend) = (converted.Body.Storage, default, false, default, null, backend);
        b.Set(converted.Body.Address, b.Shape, b.Strides, type);
    }

    /// <summary>Computes the gradient of this number, a loss, with respect to every tensor it depends on, adding to those already there.</summary>
    /// <exception cref="InvalidOperationException">It has more than one element, or depends on nothing that requires a gradient.</exception>
    public void Backward()
    {
        if (Count != 1) throw new InvalidOperationException($"Backward: {Shape} has {Count} elements; a loss has one. Reduce it first, or pass the gradient to start from.");
        Backward(Ones(Shape, DType));
    }

    /// <summary>As <see cref="Backward()"/>, for the loss <c>sum(this * gradient)</c>.</summary>
    /// <param name="gradient">The gradient to start from: the shape and type of this tensor.</param>
    public void Backward(Tensor gradient) => Tape.Backward([this], [gradient]);

    /// <summary>The tensor that owns the memory and the place on the tape: this one, or what it is a view of.</summary>
    internal TensorBody Root
    {
        get
        {
            TensorBody b = Body;
            return b.Base.body is null ? b : b.Base.Body;
        }
    }

    /// <summary>The gradient to add to, made of zeros where there was none; for a view, the same view of its base's gradient.</summary>
    internal Tensor GradientToAccumulate()
    {
        TensorBody b = Body, root = Root;
        MakeGradient(root);
        if (root.GradientIsZero) root.Gradient.Clear();
        root.GradientIsZero = false;
        return SameView(b, root, root.Gradient);
    }

    /// <summary>The gradient to be added to or, where it <paramref name="isZero"/>, to be written: then what its memory holds is undefined.</summary>
    /// <remarks>The gradient of a view that leaves elements of its base out is always to be added to, as is one on a GPU.</remarks>
    internal Tensor GradientToAccumulate(out bool isZero)
    {
        TensorBody b = Body, root = Root;
        isZero = false;
        if (b.Count != root.Count || b.RepeatsElements || root.Backend is not CpuBackend) return GradientToAccumulate();
        MakeGradient(root);
        (isZero, root.GradientIsZero) = (root.GradientIsZero, false);
        return SameView(b, root, root.Gradient);
    }

    /// <summary>The view of a root's gradient that <paramref name="b"/> is of the root.</summary>
    static Tensor SameView(TensorBody b, TensorBody root, Tensor gradient) => root == b ? gradient : gradient.Body.CloneView(b.Shape, b.Strides, b.Address - root.Address).Handle;

    /// <summary>Adds to the gradient, or writes it where that is zero.</summary>
    internal void AddToGradient(Tensor gradient)
    {
        Tensor sum = GradientToAccumulate(out bool isZero);
        if (isZero) Movement.Run<Movement.Write>(gradient, sum);
        else sum.Backend.Add(gradient, sum);
    }

    /// <summary>Makes <paramref name="gradient"/> the gradient of an intermediate value that has none and passes it on at once, so that it need not be copied.</summary>
    /// <returns>False where that is not so, or where <paramref name="gradient"/> is some tensor's gradient, which this backward pass may write to.</returns>
    internal bool TakeGradient(Tensor gradient)
    {
        TensorBody root = Root;
        if (root != Body || root.Producer is null || root.RetainsGradient || root.Gradient.IsAlive) return false;
        if (!gradient.IsContiguous || gradient.Backend != root.Backend || gradient.Root.IsGradient) return false;
        (root.Gradient, root.GradientIsZero, root.GradientIsGiven) = (gradient, false, true);
        return true;
    }

    static void MakeGradient(TensorBody root)
    {
        if (root.Gradient.IsAlive) return;
        root.Gradient = root.GradientPlace.IsAlive ? root.GradientPlace :
            Allocate(root.Shape, root.DType, root.Arena is null ? null : root.Producer is null ? Tape.StepOf(root) : Tape.Current.Arena, root.Backend);
        (root.GradientIsZero, root.Gradient.Root.IsGradient) = (true, true);
    }

    /// <summary>The type, shape and first elements.</summary>
    public override string ToString()
    {
        if (!IsAlive) return body is null ? "Tensor (default)" : "Tensor (its step has ended)";
        double[] values = ToArray<double>();
        string shown = string.Join(", ", values.Take(8).Select(v => v.ToString("g5")));
        return $"{DType} {Shape} {{ {shown}{(values.Length > 8 ? ", ..." : "")} }}";
    }
}
