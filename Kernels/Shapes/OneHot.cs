namespace NeuralMemory;

/// <summary>Adds one-hot coding to <see cref="Tensor"/>.</summary>
public static unsafe class OneHotOperation
{
    extension(Tensor indices)
    {
        /// <summary>For every index a vector that is 1 there and 0 elsewhere: [..] -> [.., <paramref name="classes"/>]. It has no gradient.</summary>
        /// <param name="classes">The number of classes: each index is from 0 to classes - 1.</param>
        /// <param name="type">Of the result.</param>
        /// <exception cref="ShapeException">An index is out of range; the indices are not Int32.</exception>
        public Tensor OneHot(int classes, DType type = DType.Float32)
        {
            if (classes < 0) throw new ShapeException("OneHot", $"{classes} classes; 0 at least was expected.");
            Indices.Check("OneHot", indices, classes, "the classes", [classes]);
            Tensor flat = indices.Reshape([indices.Count]), y = Tensor.Zeros(indices.Shape.Insert(indices.Rank, classes), type);
            int stride = flat.Strides[0];
            int* index = flat.Pointer<int>();
            for (int i = 0; i < flat.Count; i++)
            {
                long at = (long)i * classes + index[(long)i * stride];
                if (type == DType.Float64) y.Pointer<double>()[at] = 1;
                else if (type == DType.Float32) y.Pointer<float>()[at] = 1;
                else y.Pointer<int>()[at] = 1;
            }
            GC.KeepAlive(flat.Body);
            return y;
        }
    }
}
