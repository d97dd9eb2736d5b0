namespace NeuralMemory.Checkpoints;

/// <summary>
/// Replaces a file as a whole: at every moment, whatever fails, its path holds either everything that was there before or everything new.
/// </summary>
public static class AtomicFile
{
    /// <summary>Writes the file at <paramref name="path"/>, replacing one that exists.</summary>
    /// <param name="path">The file, in a folder that exists. A symbolic link stays; the file that it leads to is replaced.</param>
    /// <param name="write">Writes the contents, to a seekable stream that is closed for it.</param>
    /// <exception cref="CheckpointException">It cannot be written; the message names it. What was there before is there still.</exception>
    /// <remarks>
    /// The contents go to <c>NAME.RANDOM.tmp</c> in the same folder (a rename is atomic only within a file system), on to the disk, and
    /// only then to their name. A process that is killed may leave that file behind; nothing ever reads it, and it may be deleted.
    /// The folder itself is not synchronised, which .NET has no call for: after a power failure it may name the old file, but never
    /// half of a new one.
    /// An exception out of <paramref name="write"/> that is no I/O error passes through unchanged.
    /// </remarks>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        try
        {
            string target = FollowLinks(path);
            string temporary = $"{target}.{Path.GetRandomFileName()}.tmp";
            // Opened outside the inner try: where even this fails, the file under that name is not ours to delete.
            FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
            try
            {
                using (stream)
                {
                    write(stream);
                    // Before the rename, or a power failure could leave the name on blocks that were never written.
                    stream.Flush(flushToDisk: true);
                }
                File.Move(temporary, target, overwrite: true);
            }
            catch
            {
                TryDelete(temporary);
                throw;
            }
        }
        catch (Exception e) when (e is (IOException and not CheckpointException) or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be written: {e.Message}", e);
        }
    }

    static string FollowLinks(string path)
    {
        FileInfo file = new(path);
        return file.LinkTarget is null ? file.FullName : file.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
    }

    // The failure that led here is the one to report; a file that cannot be deleted carries a name that nothing reads.
    static void TryDelete(string path)
    {
        try { File.Delete(path); }
        catch (IOException) { }
        catch (UnauthorizedAccessException) { }
    }
}
