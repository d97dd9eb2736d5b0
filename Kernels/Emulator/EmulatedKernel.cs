using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;

namespace NeuralMemory.Emulation;

/// <summary>How thorough the emulator is.</summary>
static class Emulator
{
    /// <summary>Orders that a checked launch runs in.</summary>
    public const int Rounds = 3;

    /// <summary>
    /// Check launches: run each in several orders of groups and threads and demand the same bits from all, and follow every access to shared
    /// memory (<see cref="SharedShadow"/>). What is checked without it costs little: indices, alignment, who waits where, memory limits.
    /// </summary>
    public static bool Check { get; set; }
}

/// <summary>A kernel that can be launched.</summary>
sealed unsafe class EmulatedKernel<T> where T : struct
{
    readonly Action<T> action;
    readonly string name;
    static ViewsOf<T>? views;
    Program? program, checkedProgram;

    [RequiresUnreferencedCode("The emulator reads and rewrites the IL of kernels.")]
    [RequiresDynamicCode("The emulator emits IL.")]
    public EmulatedKernel(Action<T> action)
    {
        this.action = action;
        name = Names.Of(typeof(T));
        if (RuntimeHelpers.IsReferenceOrContainsReferences<T>())
            throw new NotSupportedException($"{name}: a kernel holds views and numbers, no references.");
        views ??= new();
    }

    /// <summary>Runs all threads of all groups.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "The constructor says so.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "The constructor says so.")]
    public void Launch(AcceleratorStream stream, KernelConfig config, T kernel)
    {
        stream.Enter();
        lock (Machine.Running)
        {
            Machine.KernelName = name;
            bool check = Emulator.Check;
            program ??= Rewriter.Rewrite(action.Method, instrument: false);
            CheckLimits(config);
            views!.Find((nint)Unsafe.AsPointer(ref kernel));
            if (!check)
            {
                Run(config, kernel, round: 0, program);
                return;
            }
            checkedProgram ??= program.Shared.Length == 0 ? program : Rewriter.Rewrite(action.Method, instrument: true);
            DeviceViews.Keep();
            SharedShadow.IsOn = true;
            try
            {
                Run(config, kernel, round: 0, checkedProgram);
            }
            finally
            {
                SharedShadow.IsOn = false;
            }
            DeviceViews.KeepResult();
            for (int round = 1; round < Emulator.Rounds; round++)
            {
                DeviceViews.Restore();
                Run(config, kernel, round, program);
                DeviceViews.CompareWithResult(round);
            }
        }
    }

    void Run(KernelConfig config, T kernel, int round, Program program)
    {
        Machine.Prepare(program, config.GridDim, config.GroupDim, round, config.SharedMemoryConfig.ArraySize);
        int groups = config.GridDim.Size;
        try
        {
            for (int i = 0; i < groups; i++)
            {
                int group = round == 0 ? i : round == 1 ? groups - 1 - i : (int)((i * 0x9E3779B1L + round) % groups);
                Lane.GridIdx = new(group % config.GridDim.X, group / config.GridDim.X % config.GridDim.Y, group / config.GridDim.X / config.GridDim.Y);
                Machine.RunGroup((nint)Unsafe.AsPointer(ref kernel));
            }
        }
        catch (Exception e) when (e is not EmulatorException)
        {
            throw new EmulatorException($"{name}: group ({Grid.IdxX}, {Grid.IdxY}, {Grid.IdxZ}), thread {Lane.Thread}: {e.Message}", e);
        }
    }

    void CheckLimits(KernelConfig config)
    {
        (Index3D grid, Index3D group) = (config.GridDim, config.GroupDim);
        if (!config.IsValid || (long)grid.X * grid.Y * grid.Z > int.MaxValue || grid.Y > ushort.MaxValue || grid.Z > ushort.MaxValue
            || group.X > 1024 || group.Y > 1024 || group.Z > 64 || group.Size > 1024)
            throw new EmulatorException($"{name}: a launch of {grid} groups of {group} threads; at least 1 of each, at most 1024 threads in a group.");
    }
}

/// <summary>Finds the views that a kernel's struct holds, at any depth.</summary>
sealed class ViewsOf<T> where T : struct
{
    readonly Action<nint> find;

    [RequiresUnreferencedCode("Finds fields by reflection.")]
    [RequiresDynamicCode("The emulator emits IL.")]
    public ViewsOf()
    {
        DynamicMethod method = new("Find views", null, [typeof(nint)], typeof(DeviceViews).Module, skipVisibility: true);
        ILGenerator il = method.GetILGenerator();
        Visit(typeof(T), []);
        il.Emit(OpCodes.Ret);
        find = method.CreateDelegate<Action<nint>>();

        void Visit(Type type, FieldInfo[] path)
        {
            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ArrayView<>))
            {
                il.Emit(OpCodes.Ldarg_0);
                foreach (FieldInfo field in path)
                    il.Emit(OpCodes.Ldflda, field);
                il.Emit(OpCodes.Ldobj, type);
                il.Emit(OpCodes.Ldstr, string.Join(".", path.Select(f => f.Name.Trim('<', '>').Split('>')[0])));
                il.Emit(OpCodes.Call, typeof(DeviceViews).GetMethod(nameof(DeviceViews.Add))!.MakeGenericMethod(type.GetGenericArguments()));
            }
            else if (type is { IsValueType: true, IsPrimitive: false, IsEnum: false })
            {
                foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
                    Visit(field.FieldType, [.. path, field]);
            }
        }
    }

    /// <summary>Hands the views of the <paramref name="kernel"/> at an address to <see cref="DeviceViews"/>.</summary>
    public void Find(nint kernel)
    {
        DeviceViews.Clear();
        find(kernel);
    }
}

/// <summary>The device memory that a launch can reach, what it held before, and what the first order left there.</summary>
static unsafe class DeviceViews
{
    struct Region
    {
        public string Name;
        public nint Address;
        public long Bytes;
        public int ElementSize;

        /// <summary>Where its copies start.</summary>
        public long Offset;
    }

    static Region[] regions = new Region[8];
    static int count;
    static byte* before, result;
    static long capacity;

    public static void Clear() => count = 0;

    public static void Add<T>(ArrayView<T> view, string name) where T : unmanaged
    {
        if (view.Length == 0)
            return;
        if (!DeviceMemory.Contains((nint)view.Address, view.LengthInBytes))
            throw new EmulatorException(
                $"{Machine.KernelName}: the view {name} of {view.Length} elements of {Names.Of(typeof(T))} is no part of a buffer that is in use.");
        if (count == regions.Length)
            Array.Resize(ref regions, 2 * count);
        regions[count++] = new() { Name = name, Address = (nint)view.Address, Bytes = view.LengthInBytes, ElementSize = sizeof(T) };
    }

    /// <summary>Keeps what the views hold before the launch.</summary>
    public static void Keep()
    {
        long bytes = 0;
        foreach (ref Region region in regions.AsSpan(0, count))
        {
            region.Offset = bytes;
            bytes += region.Bytes;
        }
        if (bytes > capacity)
        {
            NativeMemory.Free(before);
            NativeMemory.Free(result);
            capacity = bytes;
            before = (byte*)NativeMemory.Alloc((nuint)bytes);
            result = (byte*)NativeMemory.Alloc((nuint)bytes);
        }
        CopyTo(before);
    }

    public static void KeepResult() => CopyTo(result);

    public static void Restore()
    {
        foreach (ref Region region in regions.AsSpan(0, count))
            Buffer.MemoryCopy(before + region.Offset, (void*)region.Address, region.Bytes, region.Bytes);
    }

    /// <summary>A difference, bit by bit, to the first order's result is a race.</summary>
    public static void CompareWithResult(int round)
    {
        foreach (ref Region region in regions.AsSpan(0, count))
        {
            ReadOnlySpan<byte> now = new((void*)region.Address, checked((int)region.Bytes));
            ReadOnlySpan<byte> then = new(result + region.Offset, now.Length);
            int same = now.CommonPrefixLength(then);
            if (same == now.Length)
                continue;
            int element = same / region.ElementSize;
            throw new EmulatorException(
                $"{Machine.KernelName}: the result depends on the order of threads: {region.Name}[{element}] of {region.Bytes / region.ElementSize} is "
                + $"{Convert.ToHexString(then.Slice(element * region.ElementSize, region.ElementSize))} (bytes) in order and "
                + $"{Convert.ToHexString(now.Slice(element * region.ElementSize, region.ElementSize))} {(round == 1 ? "backwards" : "mixed")}.");
        }
    }

    static void CopyTo(byte* copies)
    {
        foreach (ref Region region in regions.AsSpan(0, count))
            Buffer.MemoryCopy((void*)region.Address, copies + region.Offset, region.Bytes, region.Bytes);
    }
}
