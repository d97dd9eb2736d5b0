using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Convolutions of which each output channel sees one input channel: <c>y[t] = bias + sum_k w[k] x[t s + k d - p]</c>, row by row. A row is copied between zeros
/// first, so that no step needs to ask whether it reaches beyond an end.
/// </summary>
static unsafe partial class DepthwiseConvolution
{
    /// <summary>The rows of one convolution, x [batch, in, time], w [out, 1, kernel] and y [batch, out, steps], or the gradient of one of them.</summary>
    readonly struct Rows(Tensor x, Tensor w, Tensor y, Conv1d.Sampling sampling)
    {
        public readonly int Batch = x.Shape[0], Inputs = x.Shape[1], Time = x.Shape[2], Outputs = w.Shape[0], Kernel = w.Shape[2], Steps = y.Shape[2];
        public readonly int Stride = sampling.Stride, Padding = sampling.Padding, Dilation = sampling.Dilation;

        /// <summary>How many output channels see each input channel.</summary>
        public int PerInput => Outputs / Inputs;

        /// <summary>x[b, i] and its stride.</summary>
        public T* X<T>(int batch, int input, out int stride) where T : unmanaged
        {
            stride = x.Strides[2];
            return x.Pointer<T>() + (long)batch * x.Strides[0] + (long)input * x.Strides[1];
        }

        /// <summary>w[o] and its stride.</summary>
        public T* W<T>(int output, out int stride) where T : unmanaged
        {
            stride = w.Strides[2];
            return w.Pointer<T>() + (long)output * w.Strides[0];
        }

        /// <summary>y[b, o], which is contiguous.</summary>
        public T* Y<T>(int batch, int output) where T : unmanaged => y.Pointer<T>() + ((long)batch * Outputs + output) * Steps;

        /// <summary>Zeros for a row of x with its padding.</summary>
        public T* Padded<T>() where T : unmanaged
        {
            int length = Time + 2 * Padding;
            T* padded = ThreadScratch<Rows>.Take<T>(length);
            new Span<T>(padded, length).Clear();
            return padded;
        }

        /// <summary>A row of x between zeros.</summary>
        public T* Padded<T>(int batch, int input) where T : unmanaged
        {
            T* padded = Padded<T>(), row = X<T>(batch, input, out int stride);
            if (stride == 1) new ReadOnlySpan<T>(row, Time).CopyTo(new Span<T>(padded + Padding, Time));
            else for (int t = 0; t < Time; t++) padded[Padding + t] = row[(long)t * stride];
            return padded;
        }

        public int Grain => Cpu.Rows(Steps, Kernel);
    }

    /// <summary>y[b, o] += w[o] * x[b, i].</summary>
    public static void Forward(Tensor x, Tensor w, Tensor y, Conv1d.Sampling sampling)
    {
        if (GpuBackend.Current is { } gpu)
        {
            gpu.LaunchEach(y.Count, new GpuForward(gpu.View(x), gpu.View(w), gpu.View(y), new(x, w, y, sampling)));
            return;
        }
        Rows rows = new(x, w, y, sampling);
        Cpu.For(y.DType, rows.Batch * rows.Outputs, rows.Grain, new ForwardKernel(rows));
    }

    readonly struct ForwardKernel(Rows rows) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int kernel = rows.Kernel, steps = rows.Steps, stride = rows.Stride, dilation = rows.Dilation;
            for (; start < end; start++)
            {
                (int batch, int output) = Math.DivRem(start, rows.Outputs);
                T* x = rows.Padded<T>(batch, output / rows.PerInput), w = rows.W<T>(output, out int strideW), y = rows.Y<T>(batch, output);
                int t = 0;
                if (stride == 1)
                    for (; t <= steps - V.Count; t += V.Count)
                    {
                        V sum = V.Load(y + t);
                        T* from = x + t;
                        for (int k = 0; k < kernel; k++, from += dilation) sum = V.Fma(V.Create(w[(long)k * strideW]), V.Load(from), sum);
                        V.Store(y + t, sum);
                    }
                for (; t < steps; t += V.Count)
                {
                    V sum = Lanes.Load<V, T>(y + t, 1, steps - t);
                    T* from = x + (long)t * stride;
                    for (int k = 0; k < kernel; k++, from += dilation)
                        sum = V.Fma(V.Create(w[(long)k * strideW]), Lanes.Load<V, T>(from, stride, steps - t), sum);
                    Lanes.Store(y + t, 1, sum, steps - t);
                }
            }
        }
    }

    /// <summary>dx[b, i, t s + k d - p] += w[o, k] dy[b, o, t], over the channels o that see i.</summary>
    public static void BackwardToX(Tensor dx, Tensor w, Tensor dy, Conv1d.Sampling sampling)
    {
        if (GpuBackend.Current is { } gpu)
        {
            gpu.LaunchEach(dx.Count, new GpuBackwardToX(gpu.View(dx), gpu.View(w), gpu.View(dy), new(dx, w, dy, sampling)));
            return;
        }
        Rows rows = new(dx, w, dy, sampling);
        Cpu.For(dy.DType, rows.Batch * rows.Inputs, Cpu.Rows(rows.Steps, rows.Kernel * rows.PerInput), new BackwardToXKernel(rows));
    }

    readonly struct BackwardToXKernel(Rows rows) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int kernel = rows.Kernel, steps = rows.Steps, stride = rows.Stride, dilation = rows.Dilation, perInput = rows.PerInput;
            for (; start < end; start++)
            {
                (int batch, int input) = Math.DivRem(start, rows.Inputs);
                T* padded = rows.Padded<T>();
                for (int output = input * perInput; output < (input + 1) * perInput; output++)
                {
                    T* w = rows.W<T>(output, out int strideW), dy = rows.Y<T>(batch, output);
                    for (int k = 0; k < kernel; k++)
                    {
                        V weight = V.Create(w[(long)k * strideW]);
                        T* to = padded + (long)k * dilation;
                        for (int t = 0; t < steps; t += V.Count)
                        {
                            int count = steps - t;
                            V old = Lanes.Load<V, T>(to + (long)t * stride, stride, count);
                            Lanes.Store(to + (long)t * stride, stride, V.Fma(weight, Lanes.Load<V, T>(dy + t, 1, count), old), count);
                        }
                    }
                }
                T* dx = rows.X<T>(batch, input, out int strideX);
                T* inner = padded + rows.Padding;
                for (int t = 0, time = rows.Time; t < time; t += V.Count)
                {
                    T* to = dx + (long)t * strideX;
                    Lanes.Store(to, strideX, Lanes.Load<V, T>(to, strideX, time - t) + Lanes.Load<V, T>(inner + t, 1, time - t), time - t);
                }
            }
        }
    }

    /// <summary>dw[o, k] += sum_b sum_t dy[b, o, t] x[b, i, t s + k d - p], the batch in its order.</summary>
    public static void BackwardToWeight(Tensor x, Tensor dw, Tensor dy, Conv1d.Sampling sampling)
    {
        if (GpuBackend.Current is { } gpu)
        {
            gpu.Launch(dw.Count, 256, new GpuBackwardToWeight(gpu.View(x), gpu.View(dw), gpu.View(dy), new(x, dw, dy, sampling)));
            return;
        }
        Rows rows = new(x, dw, dy, sampling);
        Cpu.For(dy.DType, rows.Outputs, Cpu.Rows(rows.Steps, rows.Kernel * Math.Max(1, rows.Batch)), new BackwardToWeightKernel(rows));
    }

    readonly struct BackwardToWeightKernel(Rows rows) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int kernel = rows.Kernel, steps = rows.Steps, stride = rows.Stride, dilation = rows.Dilation;
            for (; start < end; start++)
            {
                T* dw = rows.W<T>(start, out int strideW);
                for (int batch = 0; batch < rows.Batch; batch++)
                {
                    T* x = rows.Padded<T>(batch, start / rows.PerInput), dy = rows.Y<T>(batch, start);
                    for (int k = 0; k < kernel; k++)
                    {
                        V dot = V.Zero;
                        T* from = x + (long)k * dilation;
                        for (int t = 0; t < steps; t += V.Count)
                            dot = V.Fma(Lanes.Load<V, T>(dy + t, 1, steps - t), Lanes.Load<V, T>(from + (long)t * stride, stride, steps - t), dot);
                        dw[(long)k * strideW] += V.Sum(dot);
                    }
                }
            }
        }
    }
}
