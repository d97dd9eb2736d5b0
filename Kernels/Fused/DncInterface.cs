using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The parameters by which the controller of a Differentiable Neural Computer commands its memory, brought into their ranges (Graves et al. 2016, Methods, "Interface parameters"):
/// strengths = oneplus, 1 + log(1 + e^x); erase vector and gates = sigmoid; read modes = softmax over three; keys and write vector stay as they are.
/// </summary>
static unsafe class DncInterface
{
    /// <summary>In place.</summary>
    public static void Activate<V, T>(in DncSizes s, T* parameters) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        OnePlus<V, T>(parameters + s.ReadStrengths, s.ReadHeads);
        OnePlus<V, T>(parameters + s.WriteStrength, 1);
        Sigmoid<V, T>(parameters + s.Erase, s.Width);
        Sigmoid<V, T>(parameters + s.FirstGate, s.ReadModes - s.FirstGate);
        if (!s.Links) return;
        for (int head = 0; head < s.ReadHeads; head++)
        {
            T* mode = parameters + s.ReadModes + 3 * head;
            T max = T.Max(mode[0], T.Max(mode[1], mode[2])), sum = T.Zero;
            for (int k = 0; k < 3; k++)
            {
                mode[k] = Recurrence.Lane<V, T>(V.Exp(V.Create(mode[k] - max)));
                sum += mode[k];
            }
            for (int k = 0; k < 3; k++) mode[k] /= sum;
        }
    }

    /// <summary>From the gradients of the activated parameters those of the raw ones, in place.</summary>
    public static void ActivateBackward<V, T>(in DncSizes s, T* parameters, T* gradients) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        OnePlusBackward<V, T>(parameters + s.ReadStrengths, gradients + s.ReadStrengths, s.ReadHeads);
        OnePlusBackward<V, T>(parameters + s.WriteStrength, gradients + s.WriteStrength, 1);
        SigmoidBackward<V, T>(parameters + s.Erase, gradients + s.Erase, s.Width);
        SigmoidBackward<V, T>(parameters + s.FirstGate, gradients + s.FirstGate, s.ReadModes - s.FirstGate);
        if (!s.Links) return;
        for (int head = 0; head < s.ReadHeads; head++)
        {
            T* mode = parameters + s.ReadModes + 3 * head, d = gradients + s.ReadModes + 3 * head;
            T mean = mode[0] * d[0] + mode[1] * d[1] + mode[2] * d[2];
            for (int k = 0; k < 3; k++) d[k] = mode[k] * (d[k] - mean);
        }
    }

    static void OnePlus<V, T>(T* x, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < count; j += V.Count) Lanes.Store(x + j, 1, V.One + V.Softplus(Lanes.Load<V, T>(x + j, 1, count - j)), count - j);
    }

    /// <summary>The slope of y = 1 + softplus(x) is 1 - e^(1 - y).</summary>
    static void OnePlusBackward<V, T>(T* y, T* d, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < count; j += V.Count)
            Lanes.Store(d + j, 1, Lanes.Load<V, T>(d + j, 1, count - j) * (V.One - V.Exp(V.One - Lanes.Load<V, T>(y + j, 1, count - j))), count - j);
    }

    static void Sigmoid<V, T>(T* x, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < count; j += V.Count) Lanes.Store(x + j, 1, V.Sigmoid(Lanes.Load<V, T>(x + j, 1, count - j)), count - j);
    }

    static void SigmoidBackward<V, T>(T* y, T* d, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int j = 0; j < count; j += V.Count)
        {
            V value = Lanes.Load<V, T>(y + j, 1, count - j);
            Lanes.Store(d + j, 1, Lanes.Load<V, T>(d + j, 1, count - j) * value * (V.One - value), count - j);
        }
    }
}
