using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU.Runtime;
using NeuralMemory.Emulation;

namespace ILGPU
{
    /// <summary>Memory that lies in one piece: an array view, or a whole buffer.</summary>
    interface IContiguousArrayView
    {
        /// <summary>The memory as bytes.</summary>
        ArrayView<byte> AsRawArrayView();
    }

    /// <summary>Memory that lies in one piece, with elements of <typeparamref name="T"/>.</summary>
    interface IContiguousArrayView<T> : IContiguousArrayView where T : unmanaged;

    /// <summary>
    /// A part of device, shared or local memory. Every access is checked: an index outside of the view, or an element of 8 or 16 bytes at an
    /// address that is no multiple of its size, throws an <see cref="EmulatorException"/>.
    /// </summary>
    /// <remarks>It holds an address and no reference, so that kernels, with all that a thread keeps across a barrier, are unmanaged memory.</remarks>
    readonly unsafe struct ArrayView<T> : IContiguousArrayView<T> where T : unmanaged
    {
        readonly T* address;

        /// <summary>Elements of the <paramref name="source"/> buffer, from <paramref name="index"/> on, counted in elements of T.</summary>
        public ArrayView(MemoryBuffer source, long index, long length)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfNegative(length);
            ArgumentOutOfRangeException.ThrowIfGreaterThan((index + length) * sizeof(T), source.LengthInBytes);
            address = (T*)source.NativePtr + index;
            Length = length;
        }

        internal ArrayView(void* address, long length)
        {
            this.address = (T*)address;
            Length = length;
        }

        /// <summary>A view of nothing.</summary>
        public static ArrayView<T> Empty => default;

        /// <summary>Bytes of an element.</summary>
        public static int ElementSize => sizeof(T);

        /// <summary>Number of elements.</summary>
        public long Length { get; }

        /// <summary>Number of elements.</summary>
        public int IntLength => (int)Length;

        /// <summary>Number of bytes.</summary>
        public long LengthInBytes => Length * sizeof(T);

        /// <summary>False for <see cref="Empty"/>.</summary>
        public bool IsValid => address != null;

        internal void* Address => address;

        // What the size of an element lets hardware assume of its address: 16-byte elements are read by one instruction, as are 8-byte ones.
        static int Alignment
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => sizeof(T) % 16 == 0 ? 16 : sizeof(T) % 8 == 0 ? 8 : 1;
        }

        /// <summary>Element <paramref name="index"/>.</summary>
        public ref T this[int index]
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => ref this[(long)index];
        }

        /// <inheritdoc cref="this[int]"/>
        public ref T this[long index]
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get
            {
                if ((ulong)index >= (ulong)Length)
                    Fault.Index(index, Length, typeof(T));
                var element = address + index;
                if (Alignment > 1 && ((nuint)element & (nuint)(Alignment - 1)) != 0)
                    Fault.Misaligned((nint)element, Alignment, index, Length, typeof(T));
                return ref *element;
            }
        }

        /// <summary>From <paramref name="index"/> to the end.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public ArrayView<T> SubView(long index) => SubView(index, Length - index);

        /// <summary><paramref name="length"/> elements from <paramref name="index"/> on.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public ArrayView<T> SubView(int index, int length) => SubView((long)index, length);

        /// <inheritdoc cref="SubView(int, int)"/>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public ArrayView<T> SubView(long index, long length)
        {
            if (index < 0 || length < 0 || index + length > Length)
                Fault.SubView(index, length, Length, typeof(T));
            return new(address + index, length);
        }

        /// <summary>The same memory as elements of another type; bytes that do not fill an element are left off.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public ArrayView<TOther> Cast<TOther>() where TOther : unmanaged => new(address, Length * sizeof(T) / sizeof(TOther));

        ArrayView<byte> IContiguousArrayView.AsRawArrayView() => Cast<byte>();

        /// <inheritdoc/>
        public override string ToString() => $"{typeof(T).Name}[{Length}]";
    }

    /// <summary>Strides of one-dimensional views.</summary>
    static class Stride1D
    {
        /// <summary>Neighbours lie side by side.</summary>
        public readonly struct Dense;
    }
}

namespace ILGPU.Runtime
{
    /// <summary>What a buffer's <see cref="MemoryBuffer1D{T, TStride}.View"/> is; it converts to an <see cref="ArrayView{T}"/>.</summary>
    readonly struct ArrayView1D<T, TStride>(ArrayView<T> view) : IContiguousArrayView<T> where T : unmanaged where TStride : struct
    {
        /// <summary>The same without a stride.</summary>
        public ArrayView<T> BaseView { get; } = view;

        /// <inheritdoc cref="ArrayView{T}.Length"/>
        public long Length => BaseView.Length;

        /// <inheritdoc cref="ArrayView{T}.IntLength"/>
        public int IntLength => BaseView.IntLength;

        /// <inheritdoc cref="ArrayView{T}.LengthInBytes"/>
        public long LengthInBytes => BaseView.LengthInBytes;

        /// <inheritdoc cref="ArrayView{T}.IsValid"/>
        public bool IsValid => BaseView.IsValid;

        /// <inheritdoc cref="ArrayView{T}.SubView(long, long)"/>
        public ArrayView1D<T, TStride> SubView(long index, long length) => new(BaseView.SubView(index, length));

        /// <inheritdoc cref="ArrayView{T}.Cast"/>
        public ArrayView<TOther> Cast<TOther>() where TOther : unmanaged => BaseView.Cast<TOther>();

        ArrayView<byte> IContiguousArrayView.AsRawArrayView() => BaseView.Cast<byte>();

        public static implicit operator ArrayView<T>(ArrayView1D<T, TStride> view) => view.BaseView;

        public static implicit operator ArrayView1D<T, TStride>(ArrayView<T> view) => new(view);
    }

    /// <summary>
    /// Copies, and what is said of alignment. A stream does its work in order and at once, so every copy has ended when the call returns;
    /// on a GPU only those to and from ordinary host memory have.
    /// </summary>
    static unsafe class ArrayViewExtensions
    {
        /// <summary>Promises that the view starts at a multiple of <paramref name="alignmentInBytes"/>; checked.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ArrayView<T> AsAligned<T>(this ArrayView<T> view, int alignmentInBytes) where T : unmanaged
        {
            if ((nuint)view.Address % (nuint)alignmentInBytes != 0)
                Fault.Misaligned((nint)view.Address, alignmentInBytes, 0, view.Length, typeof(T));
            return view;
        }

        public static void MemSetToZero<TView>(this TView view, AcceleratorStream stream) where TView : IContiguousArrayView => view.MemSet(stream, 0);

        public static void MemSet<TView>(this TView view, AcceleratorStream stream, byte value) where TView : IContiguousArrayView
        {
            var target = view.AsRawArrayView();
            stream.Enter();
            NativeMemory.Fill(target.Address, (nuint)target.Length, value);
        }

        public static void CopyTo<TView>(this TView source, AcceleratorStream stream, in TView target) where TView : IContiguousArrayView =>
            Copy(stream, source.AsRawArrayView(), target.AsRawArrayView());

        public static void CopyFrom<TView>(this TView target, AcceleratorStream stream, in TView source) where TView : IContiguousArrayView =>
            Copy(stream, source.AsRawArrayView(), target.AsRawArrayView());

        public static void CopyToCPU<T>(this ArrayView<T> source, AcceleratorStream stream, in Span<T> span) where T : unmanaged
        {
            fixed (T* p = span)
                Copy(stream, source.SubView(0, span.Length).Cast<byte>(), new(p, span.Length * (long)sizeof(T)));
        }

        public static void CopyFromCPU<T>(this ArrayView<T> target, AcceleratorStream stream, in ReadOnlySpan<T> span) where T : unmanaged
        {
            fixed (T* p = span)
                Copy(stream, new(p, span.Length * (long)sizeof(T)), target.Cast<byte>());
        }

        public static void CopyToCPU<T, TStride>(this ArrayView1D<T, TStride> source, AcceleratorStream stream, in Span<T> span)
            where T : unmanaged where TStride : struct => source.BaseView.CopyToCPU(stream, span);

        public static void CopyFromCPU<T, TStride>(this ArrayView1D<T, TStride> target, AcceleratorStream stream, in ReadOnlySpan<T> span)
            where T : unmanaged where TStride : struct => target.BaseView.CopyFromCPU(stream, span);

        public static void CopyToCPU<T>(this ArrayView<T> source, AcceleratorStream stream, ref T cpuData, long length) where T : unmanaged =>
            source.CopyToCPUUnsafeAsync(stream, ref cpuData, length);

        public static void CopyFromCPU<T>(this ArrayView<T> target, AcceleratorStream stream, ref T cpuData, long length) where T : unmanaged =>
            target.CopyFromCPUUnsafeAsync(stream, ref cpuData, length);

        public static void CopyToCPUUnsafeAsync<T>(this ArrayView<T> source, AcceleratorStream stream, ref T cpuData, long length) where T : unmanaged
        {
            fixed (T* p = &cpuData)
                Copy(stream, source.SubView(0, length).Cast<byte>(), new(p, length * sizeof(T)));
        }

        public static void CopyFromCPUUnsafeAsync<T>(this ArrayView<T> target, AcceleratorStream stream, ref T cpuData, long length) where T : unmanaged
        {
            fixed (T* p = &cpuData)
                Copy(stream, new(p, length * sizeof(T)), target.Cast<byte>());
        }

        public static void CopyToPageLockedAsync<T>(this ArrayView<T> source, AcceleratorStream stream, PageLockedArray1D<T> target)
            where T : unmanaged => source.CopyTo(stream, target.ArrayView);

        public static void CopyFromPageLockedAsync<T>(this ArrayView<T> target, AcceleratorStream stream, PageLockedArray1D<T> source)
            where T : unmanaged => target.CopyFrom(stream, source.ArrayView);

        static void Copy(AcceleratorStream stream, ArrayView<byte> source, ArrayView<byte> target)
        {
            if (source.Length > target.Length)
                throw new ArgumentOutOfRangeException(nameof(target), $"Copy: the source has {source.Length} bytes but the target only {target.Length}.");
            stream.Enter();
            Buffer.MemoryCopy(source.Address, target.Address, target.Length, source.Length);
        }
    }
}
