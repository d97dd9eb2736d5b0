using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// Writing to the memory of a Differentiable Neural Computer (Graves et al. 2016, Methods), one step, one sequence: M = M' (1 - w e) + w v, with the write weighting w over slots, and erase
/// vector e and write vector v over columns. The memory lies as in <see cref="DncContent"/>.
/// </summary>
static unsafe class DncMemory
{
    /// <summary>The memory, which may take the place of the one before, and the length of every slot of it in the same pass.</summary>
    public static void Write<V, T>(in DncSizes s, T* memory, T* w, T* erase, T* vector, T* newMemory, T* norms)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width;
        for (int i = 0; i < padded; i += V.Count)
        {
            T* m = memory + i, to = newMemory + i;
            V wi = V.Load(w + i), sum = V.Constant(DncContent.Epsilon);
            for (int j = 0; j < width; j++, m += padded, to += padded)
            {
                V old = V.Load(m), written = V.Fma(wi, V.Create(vector[j]) - V.Create(erase[j]) * old, old);
                sum = V.Fma(written, written, sum);
                V.Store(to, written);
            }
            V.Store(norms + i, V.Sqrt(sum));
        }
    }

    /// <summary>
    /// From dL/dM but for toSlots[i] M[i], which is added on the way: dL/dM', which replaces it; dL/dw, to be added to; and dL/de and dL/dv, to be written:
    /// de = -sum dM M' w, dw = sum dM (v - M' e), dv = sum dM w. Two columns at a time, which share what belongs to a slot.
    /// </summary>
    public static void WriteBackward<V, T>(in DncSizes s, T* memory, T* w, T* erase, T* vector, T* toSlots, T* dMemory, T* dw, T* dErase, T* dVector)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width, j = 0;
        for (; j + 2 <= width; j += 2, memory += 2 * padded, dMemory += 2 * padded)
        {
            T* m0 = memory, m1 = memory + padded, d0 = dMemory, d1 = dMemory + padded;
            V e0 = V.Create(erase[j]), e1 = V.Create(erase[j + 1]), v0 = V.Create(vector[j]), v1 = V.Create(vector[j + 1]), de0 = V.Zero, de1 = V.Zero, dv0 = V.Zero, dv1 = V.Zero;
            for (int i = 0; i < padded; i += V.Count)
            {
                V wi = V.Load(w + i), slot = V.Load(toSlots + i), dwi = V.Load(dw + i), old = V.Load(m0 + i), change = v0 - e0 * old;
                V d = V.Fma(slot, V.Fma(wi, change, old), V.Load(d0 + i)), added = d * wi;
                (dv0, de0, dwi) = (dv0 + added, V.Fma(added, old, de0), V.Fma(d, change, dwi));
                V.Store(d0 + i, d - added * e0);
                old = V.Load(m1 + i);
                change = v1 - e1 * old;
                d = V.Fma(slot, V.Fma(wi, change, old), V.Load(d1 + i));
                added = d * wi;
                (dv1, de1, dwi) = (dv1 + added, V.Fma(added, old, de1), V.Fma(d, change, dwi));
                V.Store(d1 + i, d - added * e1);
                V.Store(dw + i, dwi);
            }
            (dErase[j], dErase[j + 1], dVector[j], dVector[j + 1]) = (-V.Sum(de0), -V.Sum(de1), V.Sum(dv0), V.Sum(dv1));
        }
        if (j == width) return;
        V e = V.Create(erase[j]), v = V.Create(vector[j]), de = V.Zero, dv = V.Zero;
        for (int i = 0; i < padded; i += V.Count)
        {
            V wi = V.Load(w + i), old = V.Load(memory + i), change = v - e * old, d = V.Fma(V.Load(toSlots + i), V.Fma(wi, change, old), V.Load(dMemory + i)), added = d * wi;
            (dv, de) = (dv + added, V.Fma(added, old, de));
            V.Store(dw + i, V.Fma(d, change, V.Load(dw + i)));
            V.Store(dMemory + i, d - added * e);
        }
        (dErase[j], dVector[j]) = (-V.Sum(de), V.Sum(dv));
    }

    /// <summary>What the write key's content gives the memory: dM[i] += toKey[i] k + toSlots[i] M[i].</summary>
    public static void AddContent<V, T>(in DncSizes s, T* memory, T* key, T* toKey, T* toSlots, T* dMemory) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int padded = s.PaddedSlots, width = s.Width;
        for (int i = 0; i < padded; i += V.Count)
        {
            T* m = memory + i, d = dMemory + i;
            V key0 = V.Load(toKey + i), slot = V.Load(toSlots + i);
            for (int j = 0; j < width; j++, m += padded, d += padded) V.Store(d, V.Fma(key0, V.Create(key[j]), V.Fma(slot, V.Load(m), V.Load(d))));
        }
    }
}
