using System.Text;
using NeuralMemory.Checkpoints;
using NUnit.Framework;

namespace NeuralMemory.Tests.Checkpoints;

[TestFixture]
public sealed class AtomicFileTests
{
    Scratch scratch = null!;

    [SetUp]
    public void SetUp() => scratch = new();

    [TearDown]
    public void TearDown() => scratch.Dispose();

    static Action<Stream> Text(string text) => stream => stream.Write(Encoding.UTF8.GetBytes(text));

    [Test]
    public void WritesAndReplaces()
    {
        string path = scratch["a.json"];
        AtomicFile.Write(path, Text("a long first version"));
        AtomicFile.Write(path, Text("second"));
        Assert.That(File.ReadAllText(path), Is.EqualTo("second"));
        Assert.That(scratch.Names, Is.EqualTo(new[] { "a.json" }));
    }

    [Test]
    public void AnExceptionWhileWritingLeavesTheOldFile()
    {
        string path = scratch["a.json"];
        AtomicFile.Write(path, Text("old"));
        Assert.That(() => AtomicFile.Write(path, stream =>
        {
            Text("half of the n")(stream);
            throw new InvalidOperationException("stop");
        }), Throws.InvalidOperationException.With.Message.EqualTo("stop"), "an exception that is no I/O error comes out as it is");
        Assert.That(() => AtomicFile.Write(path, stream =>
        {
            Text("half of the n")(stream);
            throw new IOException("No space left on device");
        }), Throws.TypeOf<CheckpointException>().With.Message.Contains(path).And.Message.Contains("No space left"));
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(scratch.Names, Is.EqualTo(new[] { "a.json" }));
    }

    [Test]
    public void WhatAKilledProcessWouldLeaveIsNoCheckpoint()
    {
        string path = scratch["model.safetensors"];
        AtomicFile.Write(path, Text("old"));
        AtomicFile.Write(path, stream =>
        {
            Text("new, but not whole")(stream);
            stream.Flush();
            Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
            Assert.That(scratch.Names, Has.Length.EqualTo(2).And.One.EqualTo("model.safetensors").And.One.EndsWith(".tmp"));
            Assert.That(Directory.GetFiles(scratch.Folder, "*.safetensors"), Is.EqualTo(new[] { path }));
        });
    }

    [Test]
    public void TwoWritersOfOnePathDoNotMeet()
    {
        string path = scratch["a.json"];
        AtomicFile.Write(path, outer =>
        {
            Text("out")(outer);
            AtomicFile.Write(path, Text("inner"));
            Assert.That(File.ReadAllText(path), Is.EqualTo("inner"));
            Text("er")(outer);
        });
        Assert.That(File.ReadAllText(path), Is.EqualTo("outer"));
        Assert.That(scratch.Names, Is.EqualTo(new[] { "a.json" }));
    }

    [Test]
    public void AReaderThatOpenedTheOldFileReadsItToTheEnd()
    {
        string path = scratch["a.json"];
        AtomicFile.Write(path, Text("old"));
        using FileStream old = new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        AtomicFile.Write(path, Text("new"));
        Assert.That(new StreamReader(old).ReadToEnd(), Is.EqualTo("old"));
    }

    [Test]
    public void ASymbolicLinkStays()
    {
        Directory.CreateDirectory(scratch["runs"]);
        File.WriteAllText(scratch["runs/1.json"], "old");
        try { File.CreateSymbolicLink(scratch["latest.json"], "runs/1.json"); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { Assert.Ignore("Links need a privilege here."); }
        AtomicFile.Write(scratch["latest.json"], Text("new"));
        Assert.That(new FileInfo(scratch["latest.json"]).LinkTarget, Is.EqualTo("runs/1.json"));
        Assert.That(File.ReadAllText(scratch["runs/1.json"]), Is.EqualTo("new"));
        Assert.That(scratch.Names, Is.EqualTo(new[] { "latest.json", "runs" }));
    }

    [Test]
    public void AMissingFolderIsNamed()
    {
        string path = scratch["nowhere/a.json"];
        Assert.That(() => AtomicFile.Write(path, Text("new")), Throws.TypeOf<CheckpointException>().With.Message.StartsWith(path));
        Assert.That(scratch.Names, Is.Empty);
    }

    [Test]
    public void AFolderInThePlaceOfTheFileStays()
    {
        string path = scratch["a.json"];
        Directory.CreateDirectory(path);
        Assert.That(() => AtomicFile.Write(path, Text("new")), Throws.TypeOf<CheckpointException>().With.Message.StartsWith(path));
        Assert.That(scratch.Names, Is.EqualTo(new[] { "a.json" }));
        Assert.That(Directory.Exists(path));
    }

    [Test]
    public void AReadOnlyFolderKeepsTheOldFile()
    {
        if (OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess) Assert.Ignore("Folders are not read-only here, for this user.");
        string path = scratch["a.json"];
        AtomicFile.Write(path, Text("old"));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(scratch.Folder, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        try
        {
            Assert.That(() => AtomicFile.Write(path, Text("new")), Throws.TypeOf<CheckpointException>().With.Message.StartsWith(path));
            Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        }
        finally
        {
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(scratch.Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }
}
