using System.Numerics;

namespace NeuralMemory;

/// <summary>The order of the elements of one fibre: by value, NaN above every number, and equal ones by where they stand.</summary>
readonly unsafe struct Order<T>(T* first, long stride, bool descending) where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>Whether element <paramref name="a"/> comes before element <paramref name="b"/>, by value alone.</summary>
    public bool Before(int a, int b)
    {
        T x = first[a * stride], y = first[b * stride];
        return descending ? Less(y, x) : Less(x, y);
    }

    static bool Less(T x, T y) => x < y || (T.IsNaN(y) && !T.IsNaN(x));

    /// <summary>Puts 0 to n - 1 into the order of the elements that they count, by merging; equal ones stay in theirs.</summary>
    /// <param name="result">The n numbers, in order.</param>
    /// <param name="scratch">As long.</param>
    public void Sort(Span<int> result, Span<int> scratch)
    {
        const int Run = 16;
        int n = result.Length;
        for (int i = 0; i < n; i++)
        {
            int j = i;                                                      // runs of 16, by insertion
            for (; j % Run != 0 && Before(i, result[j - 1]); j--) result[j] = result[j - 1];
            result[j] = i;
        }
        for (int width = Run; width < n; width *= 2)
        {
            result.CopyTo(scratch);
            for (int start = 0; start < n; start += 2 * width)
            {
                int a = start, middle = Math.Min(start + width, n), b = middle, end = Math.Min(middle + width, n);
                for (int k = start; k < end; k++)
                    result[k] = b == end || (a < middle && !Before(scratch[b], scratch[a])) ? scratch[a++] : scratch[b++];
            }
        }
    }

    /// <summary>The first of the order of 0 to <paramref name="n"/> - 1, as many as <paramref name="result"/> has room for.</summary>
    public void Select(Span<int> result, int n)
    {
        int count = 0;
        for (int i = 0; i < n; i++)
        {
            if (count == result.Length && !Before(i, result[^1])) continue;
            int low = 0, high = count;                                      // behind all that i does not come before
            while (low < high)
            {
                int middle = (low + high) / 2;
                if (Before(i, result[middle])) high = middle;
                else low = middle + 1;
            }
            if (count < result.Length) count++;
            result[low..(count - 1)].CopyTo(result[(low + 1)..]);
            result[low] = i;
        }
    }
}
