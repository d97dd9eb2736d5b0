using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

/// <summary>Moves elements between tensors of one shape, each with strides of its own: what the operations that change shapes are made of.</summary>
static class Transfer
{
    /// <summary><paramref name="target"/> = <paramref name="source"/>, for every element type.</summary>
    public static void Copy(Tensor source, Tensor target)
    {
        if (GpuBackend.Current is { } gpu)
        {
            GpuLoop loop = new(new StridedLoop(target.Shape, source.Strides, target.Strides), source, target);
            gpu.LaunchEach(loop, new GpuCopy(Bits(gpu, source), Bits(gpu, target)));
        }
        else CpuBackend.Instance.Copy(source, target);
    }

    /// <summary>
    /// <paramref name="target"/> += <paramref name="scale"/> * <paramref name="source"/>; the source may be expanded. Where the target <paramref name="isZero"/>, what its memory holds is undefined.
    /// </summary>
    public static void Add(Tensor source, Tensor target, double scale = 1, bool isZero = false)
    {
        if (GpuBackend.Current is { } gpu)
            gpu.LaunchEach(new(new(target.Shape, source.Strides, target.Strides), source, target), new GpuAdd(gpu.View(source), gpu.View(target), (float)scale));
        else if (isZero) Movement.Run<Movement.Write>(source, target, scale);
        else Movement.Run<Movement.Accumulate>(source, target, scale);
    }

    /// <summary>A tensor's elements for a kernel that moves them and does not compute: integers as floats of the same bits.</summary>
    public static ArrayView<float> Bits(GpuBackend gpu, Tensor x) => x.DType == DType.Int32 ? gpu.View<int>(x).Cast<float>() : gpu.View(x);

    readonly struct GpuCopy(ArrayView<float> from, ArrayView<float> to) : IGpuElements
    {
        public void One(int i, int of, int ot, int o2, int o3) => to[ot] = from[of];

        public void Four(in GpuLoop loop, int i, int of, int ot, int o2, int o3) => Float4.Load(from, of, loop.Step0).Store(to, ot);
    }

    readonly struct GpuAdd(ArrayView<float> from, ArrayView<float> to, float scale) : IGpuElements
    {
        public void One(int i, int of, int ot, int o2, int o3) => to[ot] = GpuMath.Fma(scale, from[of], to[ot]);

        public void Four(in GpuLoop loop, int i, int of, int ot, int o2, int o3) =>
            Float4.Fma(new(scale, scale, scale, scale), Float4.Load(from, of, loop.Step0), Float4.Load(to, ot)).Store(to, ot);
    }
}
