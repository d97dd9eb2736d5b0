using System.Runtime.CompilerServices;
using ILGPU;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace NeuralMemory.Gpu;

/// <summary>An operand of a product as vectors along K: the rows of a, the columns of b. What is said of one operand then holds for the other.</summary>
/// <param name="values">The elements.</param>
/// <param name="across">From one vector to the next: the stride along M of a, along N of b.</param>
/// <param name="along">From one element of a vector to the next: the stride along K.</param>
readonly struct GemmOperand(ArrayView<float> values, int across, int along)
{
    public readonly ArrayView<float> Values = values;
    public readonly int Across = across, Along = along;
}

/// <summary>
/// A batch of products c[i] (+)= sum over s of a[i, s] b[i, s], as kernels take it: c is [M, N], a [M, K], b [K, N], each with strides of its own.
/// </summary>
/// <remarks>
/// K, with all summands one after the other, may be cut into parts, each summed by a group of its own into a place of its own; <see cref="JoinParts"/> adds them up in order. The order of
/// all sums follows from the shapes, and so do the bits of the result.
/// </remarks>
readonly struct GemmProblem
{
    /// <summary>The sizes of one product.</summary>
    public required int M { get; init; }

    /// <inheritdoc cref="M"/>
    public required int N { get; init; }

    /// <inheritdoc cref="M"/>
    public required int K { get; init; }

    /// <summary>The operands.</summary>
    public required GemmOperand A { get; init; }

    /// <inheritdoc cref="A"/>
    public required GemmOperand B { get; init; }

    /// <summary>The result, and its strides along M and N.</summary>
    public required ArrayView<float> C { get; init; }

    /// <inheritdoc cref="C"/>
    public required int CM { get; init; }

    /// <inheritdoc cref="C"/>
    public required int CN { get; init; }

    /// <summary>What is added to the result, with its strides along M and N; empty for nothing.</summary>
    public ArrayView<float> Bias { get; init; }

    /// <inheritdoc cref="Bias"/>
    public int BiasM { get; init; }

    /// <inheritdoc cref="Bias"/>
    public int BiasN { get; init; }

    /// <summary>The products: offsets in a, b and c.</summary>
    public required GpuLoop Products { get; init; }

    /// <summary>The summands of each product: offsets in a and b.</summary>
    public required GpuLoop Summands { get; init; }

    /// <summary>How many parts the sums are cut into.</summary>
    public int Parts { get; init; }

    /// <summary>1 to add to c, 0 to overwrite it.</summary>
    public int Accumulate { get; init; }

    /// <summary>1 where four neighbours in a row of c, from every fourth on, can be read and written as one.</summary>
    public int WholeRows { get; init; }

    /// <summary>Writes or adds the sum for element (i, j) of the product that starts at <paramref name="c"/>; nothing where there is no such element.</summary>
    [MethodImpl(AggressiveInlining)]
    public void Write(int c, int i, int j, float sum)
    {
        if (i >= M || j >= N) return;
        int at = c + i * CM + j * CN;
        if (Bias.Length > 0) sum += Bias[i * BiasM + j * BiasN];
        if (Accumulate != 0) sum += C[at];
        C[at] = sum;
    }

    /// <summary>The same for elements (i, j) to (i, j + 3); j is a multiple of 4.</summary>
    [MethodImpl(AggressiveInlining)]
    public void Write(int c, int i, int j, Float4 sums)
    {
        if (WholeRows == 0)
        {
            Write(c, i, j, sums.X);
            Write(c, i, j + 1, sums.Y);
            Write(c, i, j + 2, sums.Z);
            Write(c, i, j + 3, sums.W);
        }
        else if (i < M && j < N)
        {
            int at = c + i * CM + j;
            if (Bias.Length > 0)
            {
                int bias = i * BiasM + j * BiasN;
                sums += new Float4(Bias[bias], Bias[bias + BiasN], Bias[bias + 2 * BiasN], Bias[bias + 3 * BiasN]);
            }
            if (Accumulate != 0) sums += Float4.Load(C, at);
            sums.Store(C, at);
        }
    }
}

/// <summary>The part of a result that a group makes: which tile of which product, and over which part of the sum.</summary>
readonly struct GemmTile
{
    /// <summary>The first row and column.</summary>
    public readonly int I, J;

    /// <summary>Where the product's operands and result start.</summary>
    public readonly int A, B, C;

    /// <summary>The part of the sum.</summary>
    public readonly int Part;

    /// <summary>The tile of group <paramref name="index"/>, where tiles have <paramref name="rows"/> rows and <paramref name="columns"/> columns.</summary>
    [MethodImpl(AggressiveInlining)]
    public GemmTile(in GemmProblem p, int index, int rows, int columns)
    {
        int down = (p.M + rows - 1) / rows, across = (p.N + columns - 1) / columns;
        int product = index / (down * across);
        index -= product * down * across;
        int whole = product / p.Parts;
        Part = product - whole * p.Parts;

        // Groups that run at the same time take tiles of eight rows of tiles, column by column: what they read then stays in the level 2 cache.
        int first = index / (8 * across) * 8, height = Math.Min(8, down - first);
        index -= first * across;
        int column = index / height;
        (I, J) = ((first + index - column * height) * rows, column * columns);
        p.Products.Locate(whole, out A, out B, out C, out _);
        if (p.Parts > 1) C = product * p.M * p.N;
    }

    /// <summary>Groups for all tiles of all parts.</summary>
    public static int Count(in GemmProblem p, int rows, int columns) => checked((int)((p.M + rows - 1L) / rows * ((p.N + columns - 1) / columns) * p.Products.Count * p.Parts));
}

/// <summary>The way along K, <c>depth</c> at a time, through all summands of a tile's part of the sum.</summary>
struct GemmSteps
{
    int k, summand, left;

    /// <summary>Where this step starts in a and b, at the first row and column of the product.</summary>
    public int A, B;

    /// <summary>How far it is from here to the end of K.</summary>
    public int Depths;

    [MethodImpl(AggressiveInlining)]
    public GemmSteps(in GemmProblem p, in GemmTile tile, int depth)
    {
        int steps = (p.K + depth - 1) / depth;
        long all = (long)steps * p.Summands.Count;
        int first = (int)(all * tile.Part / p.Parts);
        left = (int)(all * (tile.Part + 1) / p.Parts) - first;
        summand = left > 0 ? first / steps : 0;
        k = (first - summand * steps) * depth;
        if (left > 0) Go(p, tile);
    }

    /// <summary>Whether there is a step: false once all are done.</summary>
    public readonly bool Any => left > 0;

    /// <summary>Goes on to the next.</summary>
    [MethodImpl(AggressiveInlining)]
    public void Next(in GemmProblem p, in GemmTile tile, int depth)
    {
        left--;
        k += depth;
        A += depth * p.A.Along;
        B += depth * p.B.Along;
        Depths -= depth;
        if (Depths > 0 || left <= 0) return;
        k = 0;
        summand++;
        Go(p, tile);
    }

    [MethodImpl(AggressiveInlining)]
    void Go(in GemmProblem p, in GemmTile tile)
    {
        p.Summands.Locate(summand, out int a, out int b, out _, out _);
        A = tile.A + a + k * p.A.Along;
        B = tile.B + b + k * p.B.Along;
        Depths = p.K - k;
    }
}

/// <summary>The parts of each sum, added up in order. A thread makes one element of c.</summary>
readonly struct JoinParts(GemmProblem p, ArrayView<float> parts) : IGpuKernel
{
    public void Run()
    {
        int index = Grid.IdxX * Group.DimX + Group.IdxX, row = index / p.N, product = row / p.M;
        if (product >= p.Products.Count) return;
        p.Products.Locate(product, out _, out _, out int c, out _);
        int size = p.M * p.N, at = index + product * (p.Parts - 1) * size;
        float sum = parts[at];
        for (int part = 1; part < p.Parts; part++) sum += parts[at += size];
        p.Write(c, row - product * p.M, index - row * p.N, sum);
    }
}
