using System.Numerics;
using System.Runtime.CompilerServices;

namespace NeuralMemory;

/// <summary>The order of the elements of one fibre: by value, NaN above every number, and equal ones by where they stand.</summary>
/// <typeparam name="T">The type of the elements.</typeparam>
/// <typeparam name="K">An unsigned integer of the same size.</typeparam>
readonly unsafe struct Order<T, K>(T* first, long stride, bool descending) where T : unmanaged, IBinaryFloatingPointIeee754<T> where K : unmanaged, IBinaryInteger<K>
{
    /// <summary>Up to here insertion is faster than counting, whose tables of 256 are then longer than the fibre.</summary>
    const int Short = 48;

    /// <summary>An element: an unsigned integer whose order is that of the elements, and where it stands.</summary>
    public struct Item
    {
        /// <summary>What is compared.</summary>
        public K Key;

        /// <summary>Where it stands.</summary>
        public int Index;
    }

    /// <summary>The memory that <see cref="First"/> needs for fibres of <paramref name="n"/> elements.</summary>
    public static Item* Scratch(int n) => ThreadScratch<Order<T, K>>.Take<Item>(2L * n);

    // A number's bits grow with it once the sign bit is flipped, and below zero all others too. Both zeros are one number, and all NaNs.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    K Key(T x)
    {
        K bits = Unsafe.BitCast<T, K>(x + T.Zero), sign = K.One << (8 * sizeof(T) - 1), negative = K.Zero - (bits >> (8 * sizeof(T) - 1));
        K key = T.IsNaN(x) ? K.AllBitsSet : bits ^ (negative | sign);
        return descending ? ~key : key;
    }

    Item ItemAt(int i) => new() { Key = Key(first[i * stride]), Index = i };

    /// <summary>The first of 0 to <paramref name="n"/> - 1 in the order of the elements that they count, equal ones in theirs: as many as <paramref name="result"/> has room for.</summary>
    public void First(Span<int> result, int n, Item* scratch)
    {
        if (descending && n > Short && result.Length <= n / 16)
        {
            Select(result, n);
            return;
        }
        Item* items = n <= Short ? Insert(n, scratch) : Count(n, scratch);
        for (int i = 0; i < result.Length; i++) result[i] = items[i].Index;
    }

    Item* Insert(int n, Item* items)
    {
        for (int i = 0; i < n; i++)
        {
            Item item = ItemAt(i);
            int j = i;
            for (; j > 0 && items[j - 1].Key > item.Key; j--) items[j] = items[j - 1];
            items[j] = item;
        }
        return items;
    }

    // Radix sort, a byte at a time from the last to the first: items are dealt into 256 places in the order in which they come, so that what bytes before have sorted stays sorted.
    Item* Count(int n, Item* items)
    {
        Item* dealt = items + n;
        int* counts = stackalloc int[256 * sizeof(T)];
        for (int i = 0; i < n; i++)
        {
            items[i] = ItemAt(i);
            for (int digit = 0; digit < sizeof(T); digit++) counts[256 * digit + Digit(items[i], digit)]++;
        }
        for (int digit = 0; digit < sizeof(T); digit++)
        {
            int* places = counts + 256 * digit;
            if (places[Digit(items[0], digit)] == n) continue;              // all have the same
            for (int value = 0, place = 0; value < 256; value++) (places[value], place) = (place, place + places[value]);
            for (int i = 0; i < n; i++) dealt[places[Digit(items[i], digit)]++] = items[i];
            Item* sorted = dealt;
            dealt = items;
            items = sorted;
        }
        return items;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static int Digit(Item item, int digit) => int.CreateTruncating(item.Key >> (8 * digit)) & 255;

    // Few of many: each element in turn goes to its place among those found so far, most of them to none. In descending order only.
    void Select(Span<int> result, int n)
    {
        for (int i = 0, count = 0; i < n; i++)
        {
            if (count == result.Length)
            {
                T last = first[result[^1] * stride];
                while (i < n && first[i * stride] <= last) i++;
                if (i == n) break;
                if (Key(first[i * stride]) >= Key(last)) continue;          // NaN is not above NaN
            }
            K key = Key(first[i * stride]);
            int low = 0, high = count;                                      // behind all that i does not come before
            while (low < high)
            {
                int middle = (low + high) / 2;
                if (key < Key(first[result[middle] * stride])) high = middle;
                else low = middle + 1;
            }
            if (count < result.Length) count++;
            result[low..(count - 1)].CopyTo(result[(low + 1)..]);
            result[low] = i;
        }
    }
}
