namespace NeuralMemory;

/// <summary>Adds the looking up of rows to <see cref="Tensor"/>: <see cref="IndexSelect"/> with indices of any shape.</summary>
public static class EmbeddingOperation
{
    extension(Tensor table)
    {
        /// <summary>The row of a table [V, D] for each of the <paramref name="indices"/>: [..] -> [.., D]. The gradient adds to each row in the order of the indices.</summary>
        /// <param name="indices">Int32 of any shape, each from 0 to V - 1.</param>
        /// <exception cref="ShapeException">An index is out of range; the table is not a matrix. On a GPU an index out of range gives NaN.</exception>
        public Tensor Embedding(Tensor indices)
        {
            if (table.Rank != 2) throw new ShapeException("Embedding", $"the table is {table.Shape}; [V, D] was expected.");
            return IndexSelect.Apply("Embedding", table, 0, indices).Reshape(indices.Shape.Insert(indices.Rank, table.Shape[1]));
        }
    }
}
