using System.Runtime.CompilerServices;

namespace NeuralMemory;

readonly partial struct StridedLoop
{
    /// <summary>
    /// Goes from row to row by steps: where rows are short, the divisions of <see cref="Locate"/> take longer than the rows. The rows up to the end of a plane, which the last two dimensions span,
    /// lie at equal distances, so a kernel takes them together.
    /// </summary>
    /// <param name="loop">The way through the tensors.</param>
    public ref struct Walk(ref readonly StridedLoop loop)
    {
        [InlineArray(Shape.MaxRank)]
        struct Values
        {
            int first;
        }

        readonly ref readonly StridedLoop loop = ref loop;
        readonly int last = loop.sizes.Rank - 2;
        Values index;

        /// <summary>Where the row lies in the first three tensors.</summary>
        public long O0, O1, O2;

        /// <summary>Begins at row number <paramref name="row"/>.</summary>
        public Walk(ref readonly StridedLoop loop, int row) : this(in loop)
        {
            for (int d = last; d >= 0 && row > 0; d--)
            {
                int next = row / loop.sizes[d];
                index[d] = row - next * loop.sizes[d];
                row = next;
                Add(d, index[d]);
            }
        }

        /// <summary>How many rows there are from here to the end of the plane.</summary>
        public readonly int Left => last < 0 ? 1 : loop.sizes[last] - index[last];

        /// <summary>The distance of a plane's rows in tensor <paramref name="k"/>.</summary>
        public readonly int Step(int k) => last < 0 ? 0 : loop.Stride(k, last);

        /// <summary>Goes <paramref name="rows"/> on, to the end of the plane at most.</summary>
        public void Next(int rows = 1)
        {
            for (int d = last; d >= 0; d--, rows = 1)
            {
                int there = index[d] + rows;
                if (there < loop.sizes[d])
                {
                    index[d] = there;
                    Add(d, rows);
                    return;
                }
                if (index[d] > 0) Add(d, -index[d]);
                index[d] = 0;
            }
        }

        void Add(int d, long steps)
        {
            O0 += steps * loop.strides0[d];
            O1 += steps * loop.strides1[d];
            O2 += steps * loop.strides2[d];
        }
    }
}
