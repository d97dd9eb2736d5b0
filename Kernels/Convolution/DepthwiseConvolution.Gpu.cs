using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

// On a GPU no row is copied: a thread asks of each step of x whether it lies between the ends.
static unsafe partial class DepthwiseConvolution
{
    /// <summary>The sizes of <see cref="Rows"/>, for a kernel: x [batch, in, time], w [out, 1, kernel] and y [batch, out, steps], which is contiguous.</summary>
    internal readonly struct GpuSizes(Tensor x, Tensor w, Tensor y, Conv1d.Sampling sampling)
    {
        public readonly int Batch = x.Shape[0], Inputs = x.Shape[1], Time = x.Shape[2], Outputs = w.Shape[0], Kernel = w.Shape[2], Steps = y.Shape[2], PerInput = w.Shape[0] / x.Shape[1];
        public readonly int Stride = sampling.Stride, Padding = sampling.Padding, Dilation = sampling.Dilation;
        readonly int xb = x.Strides[0], xi = x.Strides[1], xt = x.Strides[2], wo = w.Strides[0], wk = w.Strides[2];

        public int X(int batch, int input, int time) => batch * xb + input * xi + time * xt;

        public int W(int output, int k) => output * wo + k * wk;

        public int Y(int batch, int output, int step) => (batch * Outputs + output) * Steps + step;
    }

    /// <summary>A step of y a thread.</summary>
    readonly struct GpuForward(ArrayView<float> x, ArrayView<float> w, ArrayView<float> y, GpuSizes s) : IGpuKernel
    {
        public void Run()
        {
            int element = Grid.IdxX * Group.DimX + Group.IdxX, row = element / s.Steps, t = element - row * s.Steps, batch = row / s.Outputs, output = row - batch * s.Outputs;
            if (batch >= s.Batch) return;
            float sum = y[element];
            for (int k = 0; k < s.Kernel; k++)
            {
                int time = t * s.Stride + k * s.Dilation - s.Padding;
                if (time >= 0 && time < s.Time) sum = GpuMath.Fma(w[s.W(output, k)], x[s.X(batch, output / s.PerInput, time)], sum);
            }
            y[element] = sum;
        }
    }

    /// <summary>A step of dx a thread.</summary>
    readonly struct GpuBackwardToX(ArrayView<float> dx, ArrayView<float> w, ArrayView<float> dy, GpuSizes s) : IGpuKernel
    {
        public void Run()
        {
            int element = Grid.IdxX * Group.DimX + Group.IdxX, row = element / s.Time, time = element - row * s.Time, batch = row / s.Inputs, input = row - batch * s.Inputs;
            if (batch >= s.Batch) return;
            float sum = 0;
            for (int output = input * s.PerInput; output < (input + 1) * s.PerInput; output++)
                for (int k = 0; k < s.Kernel; k++)
                {
                    int from = time + s.Padding - k * s.Dilation, t = from / s.Stride;
                    if (from >= 0 && t * s.Stride == from && t < s.Steps) sum = GpuMath.Fma(w[s.W(output, k)], dy[s.Y(batch, output, t)], sum);
                }
            dx[s.X(batch, input, time)] += sum;
        }
    }

    /// <summary>A weight a group.</summary>
    readonly struct GpuBackwardToWeight(ArrayView<float> x, ArrayView<float> dw, ArrayView<float> dy, GpuSizes s) : IGpuKernel
    {
        public void Run()
        {
            int output = Grid.IdxX / s.Kernel, k = Grid.IdxX - output * s.Kernel;
            float sum = 0;
            for (int i = Group.IdxX; i < s.Batch * s.Steps; i += Group.DimX)
            {
                int batch = i / s.Steps, t = i - batch * s.Steps, time = t * s.Stride + k * s.Dilation - s.Padding;
                if (time >= 0 && time < s.Time) sum = GpuMath.Fma(dy[s.Y(batch, output, t)], x[s.X(batch, output / s.PerInput, time)], sum);
            }
            sum = GroupReduce.Sum(sum);
            if (Group.IdxX == 0) dw[s.W(output, k)] += sum;
        }
    }
}
