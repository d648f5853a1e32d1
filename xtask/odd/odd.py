"""A build that does what real builds do rarely: each block is one odd way to name, open, make, move or run a file.

    cc -static -nostdlib -o die die.c && python3 odd.py
"""
import ctypes
import mmap
import os
import socket
import subprocess
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
HERE = -100


def write(path, text="x"):
    with open(path, "w") as file:
        file.write(text)


def read(path):
    with open(path) as file:
        return file.read()


def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    os.waitpid(pid, 0)


def refused(work):
    try:
        work()
    except OSError as error:
        print("refused:", error.errno)


# Through links to directories and back up again.
os.makedirs("real/deep")
os.symlink("real", "ln")
write("ln/a")
read("ln/../ln/deep/../a")
os.rename("ln/a", "ln/deep/b")
os.link("ln/deep/b", "hard")
read("hard")
os.unlink("real/deep/b")
os.symlink("hard", "sl")
read("sl")
open("sl", "a").close()
os.rename("sl", "sl2")
os.unlink("sl2")
os.truncate("hard", 1)
os.chmod("hard", 0o600)
os.chmod("ln", 0o755)

# Relative to a descriptor.
folder = os.open("real", os.O_RDONLY)
made = os.open("viafd", os.O_CREAT | os.O_WRONLY, dir_fd=folder)
os.fchmod(made, 0o644)
os.close(made)
os.rename("viafd", "viafd2", src_dir_fd=folder, dst_dir_fd=folder)
os.unlink("viafd2", dir_fd=folder)
os.fchdir(folder)
write("here")
os.chdir("..")
os.close(folder)

# renameat2: exchange, and without replacing (which fails).
write("e1", "1")
write("e2", "2")
libc.renameat2(HERE, b"e1", HERE, b"e2", 2)
read("e1")
libc.renameat2(HERE, b"e1", HERE, b"e2", 1)

# A directory moves, and another one takes its name.
os.mkdir("old")
write("old/f")
os.rename("old", "new")
read("new/f")
os.mkdir("old")
write("old/f")
read("old/f")

# A file without a name gets one, in both ways.
file = os.open(".", os.O_TMPFILE | os.O_RDWR)
print("linkat through /proc:", libc.linkat(HERE, b"/proc/self/fd/%d" % file, HERE, b"linked", 0x400))
os.close(file)
read("linked")
file = os.open(".", os.O_TMPFILE | os.O_RDWR)
print("linkat by descriptor:", libc.linkat(file, b"", HERE, b"linked2", 0x1000))
os.close(file)

# Opened again through /proc and /dev, removed or not.
file = os.open("gone", os.O_CREAT | os.O_RDWR)
os.unlink("gone")
os.close(os.open("/proc/self/fd/%d" % file, os.O_RDONLY))
os.close(file)
file = os.open("kept", os.O_CREAT | os.O_RDWR)
os.close(os.open("/dev/fd/%d" % file, os.O_RDONLY))
os.close(file)
os.close(os.open("/proc/self/cwd/kept", os.O_RDONLY))
os.close(os.open("/proc/thread-self/comm", os.O_RDONLY))
os.close(os.open("kept", os.O_CREAT | os.O_RDONLY))
os.close(os.open("newro", os.O_CREAT | os.O_RDONLY | os.O_EXCL))


# A working directory that is gone.
def in_dead_directory():
    os.mkdir("dead")
    os.chdir("dead")
    os.rmdir("../dead")
    refused(lambda: write("x"))


child(in_dead_directory)

# A named pipe: each end waits for the other.
os.mkfifo("pipe")
pid = os.fork()
if pid == 0:
    write("pipe")
    os._exit(0)
read("pipe")
os.waitpid(pid, 0)


# A thread changes the directory of all; a thread executes for all.
def in_thread():
    os.chdir("real")
    write("by-thread")
    os.chdir("..")


def thread_executes():
    thread = threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", "echo from thread > thr"]))
    thread.start()
    thread.join()


thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
child(thread_executes)

# Scripts: of scripts, without a first line, removing themselves, with an interpreter that is not there.
for name, text in [
    ("s1", '#!/bin/sh\ncat "$1"\n'),
    ("s2", "#!./s1\nhello\n"),
    ("s4", "echo no interpreter line\n"),
    ("s5", "#!/bin/sh\nrm s5\n"),
    ("s6", "#!/no/such\n"),
]:
    write(name, text)
    os.chmod(name, 0o755)
subprocess.run(["./s2"], check=True)
subprocess.run(["sh", "-c", "./s4"], check=True)
subprocess.run(["./s5"], check=True)
refused(lambda: subprocess.run(["./s6"]))


# Programs by descriptor, in memory, and oneself.
def program_in_memory():
    memory = os.memfd_create("prog")
    with open("/bin/true", "rb") as program:
        os.write(memory, program.read())
    os.execve(memory, ["memtrue"], {})


child(lambda: os.execve(os.open("/bin/true", os.O_RDONLY), ["true"], {}))
child(program_in_memory)
child(lambda: os.execv("/proc/self/exe", ["python3", "-c", "print('self exe')"]))

# A program that dies at once, also by another name and by a link.
subprocess.run(["./die"])
os.link("die", "die2")
os.symlink("die2", "die3")
subprocess.run(["./die3"])

# Sockets of each kind.
for name in ["sock", "\0odd-abstract"]:
    server, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    server.bind(name)
    server.listen(1)
    client.connect(name)
os.unlink("sock")
server, client = socket.socket(), socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 47811))
server.listen(1)
client.connect(("127.0.0.1", 47811))
refused(lambda: socket.socket().connect(("127.0.0.1", 47812)))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 47813))
refused(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("::1", 47814)))

# Names.
write(b"odd-\xff\x01name")
os.unlink(b"odd-\xff\x01name")
for name in ["with (deleted)", "a\nb", 'q"uo<te>']:
    write(name)
    read(name)

# A shared mapping, and a copy inside the kernel.
file = os.open("mm", os.O_CREAT | os.O_RDWR)
os.ftruncate(file, 4096)
mapping = mmap.mmap(file, 4096)
mapping[0] = 65
mapping.flush()
source, target = os.open("hard", os.O_RDONLY), os.open("copied", os.O_CREAT | os.O_WRONLY)
refused(lambda: os.copy_file_range(source, target, 1))


# A daemon outlives its parent.
def daemon():
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.05)
        write("daemon-wrote")
        os._exit(0)


child(daemon)
time.sleep(0.3)

# Slashes and dots.
os.mkdir("tr/")
os.rmdir("tr/")
os.listdir("real/../real/.")


# openat2, beneath a directory and with it as root.
class How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


folder = os.open("real", os.O_PATH)
for name, resolve in [(b"here", 0x8), (b"/here", 0x10)]:
    how = How(os.O_RDONLY, 0, resolve)
    assert libc.syscall(437, folder, name, ctypes.byref(how), 24) >= 0

os.umask(0o077)
write("masked")
assert os.stat("masked").st_mode & 0o777 == 0o600
