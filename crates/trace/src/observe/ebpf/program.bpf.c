// SPDX-License-Identifier: Apache-2.0 OR MIT
/* What happens in the run's processes, told by the kernel: forks, executions, ends, calls that worked, addresses.
 *
 * Processes are followed by a map of their numbers that a fork inherits here, in the kernel; all numbers are those of
 * the supervisor's own process namespace. Paths of opened files are walked from the kernel's own objects. Whatever
 * cannot be told is counted: events that found no room, texts that could not be read, paths that are too deep.
 */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* ---- shared with layout.rs ------------------------------------------------------------------------------------- */

enum kind { FORK = 1, EXECUTION, EXIT, CALL, ADDRESS };

enum flag {
	COMPAT = 1,	/* by the 32-bit or x32 entry */
	DELEGATED = 2,	/* by a process that a daemon made */
	CUT = 4,	/* a path or the arguments are not whole */
	UNREADABLE = 8, /* a text in the process's memory could not be read */
	GONE = 16,	/* the descriptor was not there any more */
	PEER = 32,	/* `other` is the process at the other end */
};

enum class {
	NONE,
	OPEN,	     /* path, flags: by the indices */
	CHANGE,	     /* one or two paths */
	DESCRIPTOR,  /* a file by its descriptor */
	NUMBERS,     /* nothing but numbers */
	SOCKET_NAME, /* connect, bind: descriptor, address, length */
	LISTEN,
	SEND_TO,
	SEND_MESSAGE,
	SEND_MESSAGES,
	WRITE,	    /* on a socket that is connected to a name server */
	NAMESPACES, /* the first argument has bits of namespaces */
	OTHERS,	    /* the first argument is another process */
};

#define ABSENT 7

struct interest {
	__u8 class;
	__u8 directory[2];
	__u8 path[2];
	__u8 flags;    /* index of the open flags */
	__u8 indirect; /* the flags lie in memory (openat2) */
	__u8 only_attempts;
};

enum counter {
	SENT,
	LOST,
	OPENS,
	OPENS_FAILED,
	PATHS_CUT,
	TEXTS_UNREADABLE,
	DESCRIPTORS_GONE,
	COMPAT_CALLS,
	RING_SUBMISSIONS,
	NOT_FOLLOWED,
	CALLS,
	PATH_ONLY,
	REPEATED,
	COUNTERS_END,
};

#define SEGMENTS 4
#define ROOM 65536
#define LONGEST_ARGUMENTS 32768
#define LONGEST_PATH 4096
#define LONGEST_NAME 256
#define STEPS 256

struct event {
	__u32 kind, flags;
	__u32 process, thread;
	__u64 time;
	__s64 result;
	__s32 number;
	__u32 other;
	__u64 arguments[8];
	__u64 inode;
	__u64 size;
	__u64 changed;
	__u32 changed_part;
	__u32 device;
	__u32 file_mode, inode_mode, links;
	__u32 family, socket_type, protocol;
	__u32 length[SEGMENTS];
};

_Static_assert(sizeof(struct event) == 176, "layout.rs reads it");

struct scratch {
	struct event event;
	__u8 data[ROOM + LONGEST_ARGUMENTS];
};

struct followed {
	__u32 how;
};

/* A file that was read by this name before, and did not change since. */
struct repeat {
	__u64 dentry, mount;
	__u64 inode, changed;
	__u32 changed_part, device;
	__u64 generation;
};

enum how { RUN = 0, DELEGATE = 1, DAEMON = 2 };

/* ---- maps ------------------------------------------------------------------------------------------------------ */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} EVENTS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct followed);
} FOLLOWED SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, struct interest);
} INTERESTS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTERS_END);
	__type(key, __u32);
	__type(value, __u64);
} COUNTERS SEC(".maps");

/* Reading them once more tells nothing new: the supervisor puts in what it has judged and hashed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct repeat);
	__type(value, __u32);
} REPEATS SEC(".maps");

/* One for each CPU: the tracepoints run with preemption off. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} SCRATCH SEC(".maps");

/* The supervisor, and its process namespace: the number of the outermost one needs no search. */
const volatile __u32 SUPERVISOR = 0;
const volatile __u32 NAMESPACE = 0;
const volatile __u32 OUTERMOST = 1;
const volatile __u32 HIDDEN_MAY_BE_TRIED = 0;

/* Grows with every renaming: names that were known before may be others now. */
static volatile __u64 generation;

/* ---- small parts ----------------------------------------------------------------------------------------------- */

static __always_inline void count(__u32 which)
{
	__u64 *counter = bpf_map_lookup_elem(&COUNTERS, &which);
	if (counter)
		__sync_fetch_and_add(counter, 1);
}

static __always_inline struct scratch *room(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&SCRATCH, &cpu);
}

/* The functions from here on that are not static are checked by the verifier once, and not again with each call; pointers
 * of the kernel's, which it does not know, pass to and from them as numbers. */

/* The number of a process or thread in the supervisor's namespace; 0 outside of it. */
__noinline __u32 number_of(__u64 pid_address)
{
	struct pid *pid = (struct pid *)pid_address;
	__u64 here[2]; /* struct upid: a number, and its namespace */
	if (!pid)
		return 0;
	__u32 levels = BPF_CORE_READ(pid, level);
	__u64 first = (__u64)pid + bpf_core_field_offset(struct pid, numbers);
	for (__u32 level = 0; level < 33; level++) {
		if (level > levels)
			break;
		if (bpf_probe_read_kernel(&here, sizeof(here), (void *)(first + level * sizeof(here))))
			break;
		struct pid_namespace *namespace = (struct pid_namespace *)here[1];
		if (BPF_CORE_READ(namespace, ns.inum) == NAMESPACE)
			return (__u32)here[0];
	}
	return 0;
}

static __always_inline __u32 process_of(struct task_struct *task)
{
	if (OUTERMOST)
		return BPF_CORE_READ(task, tgid);
	return number_of((__u64)BPF_CORE_READ(task, group_leader, thread_pid));
}

static __always_inline __u32 thread_of(struct task_struct *task)
{
	if (OUTERMOST)
		return BPF_CORE_READ(task, pid);
	return number_of((__u64)BPF_CORE_READ(task, thread_pid));
}

static __always_inline void begin(struct event *event, __u32 kind, __u32 process, struct followed *followed)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->process = process;
	event->time = bpf_ktime_get_ns();
	if (followed->how == DELEGATE)
		event->flags |= DELEGATED;
}

static __always_inline void send(struct scratch *scratch, __u32 length)
{
	if (length > ROOM)
		length = ROOM;
	if (scratch->event.flags & CUT)
		count(PATHS_CUT);
	if (scratch->event.flags & UNREADABLE)
		count(TEXTS_UNREADABLE);
	if (scratch->event.flags & GONE)
		count(DESCRIPTORS_GONE);
	__u32 whole = sizeof(struct event) + length;
	asm volatile("" : "+r"(whole));
	if (whole > sizeof(struct event) + ROOM)
		return;
	count(bpf_ringbuf_output(&EVENTS, scratch, whole, 0) ? LOST : SENT);
}

/* Where a field of the kernel's lies. */
#define PLACE(field) ((__u64)__builtin_preserve_access_index(field))

/* ---- paths ----------------------------------------------------------------------------------------------------- */

struct walk {
	struct dentry *dentry;
	struct mount *mount;
	__u32 at;
	__u32 whole;
};

static long climb(__u32 step, struct walk *walk)
{
	struct scratch *scratch = room();
	if (!scratch)
		return 1;
	struct dentry *dentry = walk->dentry;
	struct mount *mount = walk->mount;
	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
		if (parent == mount || !parent) {
			walk->whole = 1;
			return 1;
		}
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = parent;
		return 0;
	}
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	__u32 at = walk->at & (ROOM - 1);
	long got = bpf_probe_read_kernel_str(&scratch->data[at], LONGEST_NAME, BPF_CORE_READ(dentry, d_name.name));
	if (got <= 0 || at + got >= ROOM)
		return 1;
	walk->at = at + got;
	walk->dentry = parent;
	/* Files in memory have no directory. */
	walk->whole = parent == dentry || !parent;
	return walk->whole;
}

/* Writes the names of a path, the last one first, each with its zero. */
__noinline __u32 path_at(struct event *event, __u64 where, __u32 at)
{
	struct path path;
	struct walk walk = {};
	walk.at = at & (ROOM - 1);
	if (!event || bpf_probe_read_kernel(&path, sizeof(path), (const void *)where))
		return walk.at;
	walk.dentry = path.dentry;
	walk.mount = (struct mount *)((void *)path.mnt - bpf_core_field_offset(struct mount, mnt));
	bpf_loop(STEPS, climb, &walk, 0);
	if (!walk.whole)
		event->flags |= CUT;
	return walk.at & (ROOM - 1);
}

__noinline __u64 file_at(int fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0;
	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	struct file **files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), &files[(__u32)fd]);
	return (__u64)file;
}

/* What a file is; and its path from `at` on. */
__noinline __u32 describe(struct event *event, __u64 file_address, __u32 at)
{
	struct file *file = (struct file *)file_address;
	if (!event || !file)
		return at;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	event->file_mode = BPF_CORE_READ(file, f_mode);
	event->inode = BPF_CORE_READ(inode, i_ino);
	event->device = BPF_CORE_READ(inode, i_sb, s_dev);
	event->inode_mode = BPF_CORE_READ(inode, i_mode);
	event->links = BPF_CORE_READ(inode, i_nlink);
	event->size = BPF_CORE_READ(inode, i_size);
	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		event->changed = BPF_CORE_READ(inode, i_ctime_sec);
		event->changed_part = BPF_CORE_READ(inode, i_ctime_nsec) & 0x7fffffff;
	}
	return path_at(event, PLACE(&file->f_path), at);
}

__noinline __u32 working_directory(struct event *event, __u32 at)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	if (!event || !fs)
		return at;
	return path_at(event, PLACE(&fs->pwd), at);
}

/* A text of the process's own, and the directory that it begins at unless it begins with `/`. */
__noinline __u32 named(struct scratch *scratch, __u32 which, __u32 directory, __u32 path, __u32 at)
{
	if (!scratch)
		return at;
	struct event *event = &scratch->event;
	__u32 start = at & (ROOM - 1);
	const void *text = (const void *)event->arguments[path & 7];
	long got = bpf_probe_read_user_str(&scratch->data[start], LONGEST_PATH, text);
	if (got <= 0) {
		event->flags |= UNREADABLE;
		return start;
	}
	event->length[(which * 2) & 3] = got;
	__u32 next = (start + got) & (ROOM - 1);
	if (scratch->data[start] == '/')
		return next;
	__u32 end = next;
	int fd = directory >= ABSENT ? AT_FDCWD : (int)event->arguments[directory & 7];
	if (fd == AT_FDCWD) {
		end = working_directory(event, next);
	} else {
		struct file *file = (struct file *)file_at(fd);
		if (file)
			end = path_at(event, PLACE(&file->f_path), next);
		else
			event->flags |= GONE;
	}
	event->length[(which * 2 + 1) & 3] = end - next;
	return end;
}

/* ---- calls ----------------------------------------------------------------------------------------------------- */

/* True for names that a guard hides: they begin with a dot, or lie in few places. */
__noinline int may_be_hidden(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	__u8 *text = scratch->data;
	if (text[0] == '.')
		return 1;
	for (int at = 0; at < 256; at++) {
		if (text[at] == 0)
			return 0;
		if (text[at] == '/') {
			if (text[at + 1] == '.')
				return 1;
			if (at == 0 && (text[1] == 'e' || text[1] == 'r' || text[1] == 'v'))
				return 1;
		}
	}
	return 1;
}

static __always_inline __u64 open_flags(struct event *event, struct interest *interest)
{
	if (interest->flags >= ABSENT)
		return 01101; /* creat: O_WRONLY, O_CREAT, O_TRUNC */
	__u64 flags = event->arguments[interest->flags & 7];
	if (interest->indirect) {
		const void *from = (const void *)flags;
		flags = 0;
		bpf_probe_read_user(&flags, sizeof(flags), from);
	}
	return flags;
}

/* True when a file was read by this very name before and did not change since. What it takes to say so the next time
 * goes with the event. */
__noinline int is_repeated(struct event *event, __u64 file_address)
{
	struct file *file = (struct file *)file_address;
	if (!event || !file)
		return 0;
	struct repeat repeat = {};
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	repeat.dentry = (__u64)BPF_CORE_READ(file, f_path.dentry);
	repeat.mount = (__u64)BPF_CORE_READ(file, f_path.mnt);
	repeat.generation = generation;
	event->arguments[4] = repeat.dentry;
	event->arguments[5] = repeat.mount;
	event->arguments[7] = repeat.generation;
	if ((BPF_CORE_READ(file, f_mode) & (FMODE_WRITE | FMODE_CREATED)) || event->arguments[6] & O_TRUNC)
		return 0;
	repeat.inode = BPF_CORE_READ(inode, i_ino);
	repeat.device = BPF_CORE_READ(inode, i_sb, s_dev);
	if (!bpf_core_field_exists(inode->i_ctime_sec))
		return 0;
	repeat.changed = BPF_CORE_READ(inode, i_ctime_sec);
	repeat.changed_part = BPF_CORE_READ(inode, i_ctime_nsec) & 0x7fffffff;
	return bpf_map_lookup_elem(&REPEATS, &repeat) != 0;
}

__noinline int opened(struct scratch *scratch, struct interest *interest)
{
	if (!scratch || !interest)
		return 0;
	struct event *event = &scratch->event;
	__u32 end = 0;
	if (event->result < 0) {
		count(OPENS_FAILED);
		long error = -event->result;
		int tried = error == 30 || error == 13 || error == 1 || error == 18; /* EROFS EACCES EPERM EXDEV */
		if (!tried && !(HIDDEN_MAY_BE_TRIED && error == 2))
			return 0;
		event->arguments[6] = open_flags(event, interest);
		end = named(scratch, 0, interest->directory[0], interest->path[0], 0);
		if (!tried && !may_be_hidden(scratch))
			return 0;
		send(scratch, end);
		return 0;
	}
	struct file *file = (struct file *)file_at(event->result);
	if (!file) {
		event->flags |= GONE;
		event->arguments[6] = open_flags(event, interest);
		end = named(scratch, 0, interest->directory[0], interest->path[0], 0);
		send(scratch, end);
		return 0;
	}
	if (BPF_CORE_READ(file, f_mode) & FMODE_PATH) {
		count(PATH_ONLY);
		return 0;
	}
	count(OPENS);
	event->arguments[6] = open_flags(event, interest);
	if (is_repeated(event, (__u64)file)) {
		count(REPEATED);
		return 0;
	}
	end = describe(event, (__u64)file, 0);
	event->length[0] = end;
	send(scratch, end);
	return 0;
}

__noinline int changed(struct scratch *scratch, struct interest *interest)
{
	if (!scratch || !interest)
		return 0;
	__u32 end = 0;
	if (interest->path[0] < ABSENT)
		end = named(scratch, 0, interest->directory[0], interest->path[0], end);
	if (interest->path[1] < ABSENT && scratch->event.result >= 0)
		__sync_fetch_and_add(&generation, 1);
	if (interest->path[1] < ABSENT)
		end = named(scratch, 1, interest->directory[1], interest->path[1], end);
	send(scratch, end);
	return 0;
}

static __always_inline struct sock *socket_of(struct event *event, int fd)
{
	struct file *file = (struct file *)file_at(fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sock = BPF_CORE_READ(socket, sk);
	if (!sock)
		return 0;
	event->family = BPF_CORE_READ(sock, __sk_common.skc_family);
	event->socket_type = BPF_CORE_READ(sock, sk_type);
	event->protocol = BPF_CORE_READ(sock, sk_protocol);
	return sock;
}

static __always_inline int asks_a_name_server(struct sock *sock)
{
	return BPF_CORE_READ(sock, __sk_common.skc_dport) == 0x3500; /* 53, in the order of the network */
}

__noinline __u32 user_bytes(struct scratch *scratch, __u32 which, __u64 from, __u64 length, __u32 at)
{
	if (!scratch || !from)
		return at;
	at &= ROOM - 1;
	__u32 wanted = length > 4095 ? 4095 : length;
	wanted &= 4095;
	if (!wanted)
		return at;
	if (bpf_probe_read_user(&scratch->data[at], wanted, (const void *)from)) {
		scratch->event.flags |= UNREADABLE;
		return at;
	}
	scratch->event.length[which & 3] = wanted;
	return (at + wanted) & (ROOM - 1);
}

/* The name of a Unix socket in the kernel: its address, and the path of the file that it is bound to. */
__noinline __u32 unix_name(struct scratch *scratch, __u64 sock_address, __u32 at)
{
	struct unix_sock *sock = (struct unix_sock *)sock_address;
	if (!scratch || !sock)
		return at;
	struct unix_address *address = BPF_CORE_READ(sock, addr);
	if (!address)
		return at;
	at &= ROOM - 1;
	__u32 length = BPF_CORE_READ(address, len);
	length = length > 110 ? 110 : length;
	asm volatile("" : "+r"(length));
	length &= 127;
	/* struct unix_address: a counter and a length of four bytes each, then the name */
	if (bpf_probe_read_kernel(&scratch->data[at], length, (void *)address + 8))
		return at;
	scratch->event.length[1] = length;
	__u32 end = (at + length) & (ROOM - 1);
	struct dentry *dentry = BPF_CORE_READ(sock, path.dentry);
	if (!dentry)
		return end;
	__u32 last = path_at(&scratch->event, PLACE(&sock->path), end);
	scratch->event.length[2] = last - end;
	return last;
}

__noinline int named_socket(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	struct event *event = &scratch->event;
	struct sock *sock = socket_of(event, event->arguments[0]);
	__u32 end = user_bytes(scratch, 0, event->arguments[1], event->arguments[2] & 127, 0);
	if (sock && event->family == AF_UNIX && event->number == 42 && event->result == 0) {
		end = unix_name(scratch, (__u64)BPF_CORE_READ((struct unix_sock *)sock, peer), end);
		struct pid *pid = BPF_CORE_READ(sock, sk_peer_pid);
		__u32 other = 0;
		if (pid && OUTERMOST)
			bpf_probe_read_kernel(&other, sizeof(other),
					      (void *)pid + bpf_core_field_offset(struct pid, numbers));
		else if (pid)
			other = number_of((__u64)pid);
		if (other && other != SUPERVISOR) {
			event->other = other;
			event->flags |= PEER;
			if (!bpf_map_lookup_elem(&FOLLOWED, &other)) {
				struct followed daemon = { .how = DAEMON };
				if (bpf_map_update_elem(&FOLLOWED, &other, &daemon, BPF_NOEXIST))
					count(NOT_FOLLOWED);
			}
		}
	}
	send(scratch, end);
	return 0;
}

__noinline int listens(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	struct event *event = &scratch->event;
	struct sock *sock = socket_of(event, event->arguments[0]);
	if (!sock || event->result < 0)
		return 0;
	__u32 end = 0;
	if (event->family == AF_UNIX) {
		end = unix_name(scratch, (__u64)sock, 0);
	} else {
		event->other = BPF_CORE_READ(sock, __sk_common.skc_num);
		if (event->family == AF_INET) {
			__u32 address = BPF_CORE_READ(sock, __sk_common.skc_rcv_saddr);
			__builtin_memcpy(scratch->data, &address, 4);
			end = event->length[0] = 4;
		} else if (event->family == AF_INET6) {
			struct in6 address = BPF_CORE_READ(sock, __sk_common.skc_v6_rcv_saddr);
			__builtin_memcpy(scratch->data, &address, 16);
			end = event->length[0] = 16;
		}
	}
	send(scratch, end);
	return 0;
}

/* struct user_msghdr and struct iovec of 64-bit processes. */
struct message {
	__u64 name;
	__u32 name_length, pad;
	__u64 vectors, count;
};

struct vector {
	__u64 base, length;
};

__noinline int sends_message(struct scratch *scratch, __u64 from)
{
	struct message message;
	struct vector vector;
	if (!scratch)
		return 0;
	struct event *event = &scratch->event;
	struct sock *sock = socket_of(event, event->arguments[0]);
	if (!sock)
		return 0;
	if (bpf_probe_read_user(&message, sizeof(message), (const void *)from)) {
		count(TEXTS_UNREADABLE);
		return 0;
	}
	int asks = (event->family == AF_INET || event->family == AF_INET6) && asks_a_name_server(sock);
	if (!message.name && !asks)
		return 0;
	event->length[0] = event->length[2] = 0;
	__u32 end = user_bytes(scratch, 0, message.name, message.name_length & 127, 0);
	/* A question is asked of port 53, by name or by connection. */
	if (asks || (end > 4 && scratch->data[2] == 0 && scratch->data[3] == 53)) {
		if (message.vectors && message.count &&
		    !bpf_probe_read_user(&vector, sizeof(vector), (const void *)message.vectors))
			end = user_bytes(scratch, 2, vector.base, vector.length > 512 ? 512 : vector.length, end);
	}
	send(scratch, end);
	return 0;
}

static long one_of_many(__u32 index, void *context)
{
	struct scratch *scratch = room();
	if (!scratch || index >= (__u32)scratch->event.result)
		return 1;
	/* struct mmsghdr has 64 bytes */
	sends_message(scratch, scratch->event.arguments[1] + index * 64ULL);
	return 0;
}

__noinline int sends_to(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	struct event *event = &scratch->event;
	struct sock *sock = socket_of(event, event->arguments[0]);
	if (!sock)
		return 0;
	int asks = (event->family == AF_INET || event->family == AF_INET6) && asks_a_name_server(sock);
	if (!event->arguments[4] && !asks)
		return 0;
	__u32 end = user_bytes(scratch, 0, event->arguments[4], event->arguments[5] & 127, 0);
	if (asks || (end > 4 && scratch->data[2] == 0 && scratch->data[3] == 53)) {
		__u64 length = event->arguments[2];
		end = user_bytes(scratch, 2, event->arguments[1], length > 512 ? 512 : length, end);
	}
	send(scratch, end);
	return 0;
}

__noinline int writes(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	struct event *event = &scratch->event;
	struct sock *sock = socket_of(event, event->arguments[0]);
	if (!sock || (event->family != AF_INET && event->family != AF_INET6) || !asks_a_name_server(sock))
		return 0;
	__u64 length = event->arguments[2];
	__u32 end = user_bytes(scratch, 2, event->arguments[1], length > 512 ? 512 : length, 0);
	send(scratch, end);
	return 0;
}

/* Raw tracepoints: typed ones are named by numbers of the kernel's whole type information, which takes long to search.
 * The registers are those of the first argument, by a pointer whose type the verifier knows. */
SEC("raw_tp/sys_exit")
int call_returns(struct bpf_raw_tracepoint_args *context)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	long result = context->args[1];
	__u32 number = regs->orig_ax;
	int foreign = (task->thread_info.status & TS_COMPAT) || (number & X32 && (__s32)number != -1);
	struct interest *interest = bpf_map_lookup_elem(&INTERESTS, &number);
	if (!foreign && (!interest || interest->class == NONE))
		return 0;
	__u32 process = process_of(task);
	struct followed *followed = bpf_map_lookup_elem(&FOLLOWED, &process);
	if (!followed || followed->how == DAEMON)
		return 0;
	/* Three of four look for a file where it is not: that is counted, and nothing else. */
	if (!foreign && interest && interest->class == OPEN && result == -2 && !HIDDEN_MAY_BE_TRIED) {
		count(CALLS);
		count(OPENS_FAILED);
		return 0;
	}
	struct scratch *scratch = room();
	if (!scratch)
		return 0;
	struct event *event = &scratch->event;
	begin(event, CALL, process, followed);
	event->thread = thread_of(task);
	event->number = number;
	event->result = result;
	event->arguments[0] = regs->di;
	event->arguments[1] = regs->si;
	event->arguments[2] = regs->dx;
	event->arguments[3] = regs->r10;
	event->arguments[4] = regs->r8;
	event->arguments[5] = regs->r9;
	count(CALLS);
	if (foreign) {
		count(COMPAT_CALLS);
		event->flags |= COMPAT;
		send(scratch, 0);
		return 0;
	}
	if (!interest)
		return 0;
	int tried = result == -30 || result == -13 || result == -1 || result == -18;
	switch (interest->class) {
	case OPEN:
		opened(scratch, interest);
		break;
	case CHANGE:
		if (result >= 0 || tried)
			changed(scratch, interest);
		break;
	case DESCRIPTOR:
		if (result >= 0) {
			struct file *file = (struct file *)file_at(event->arguments[0]);
			__u32 end = describe(event, (__u64)file, 0);
			event->length[0] = end;
			if (file)
				send(scratch, end);
		}
		break;
	case NUMBERS:
		send(scratch, 0);
		break;
	case NAMESPACES:
		if (event->arguments[0] & 0x7e020000) /* CLONE_NEW* but for time */
			send(scratch, 0);
		break;
	case OTHERS: {
		__u32 target = event->arguments[0];
		if (target && target != process && !bpf_map_lookup_elem(&FOLLOWED, &target))
			send(scratch, 0);
		break;
	}
	case SOCKET_NAME:
		named_socket(scratch);
		break;
	case LISTEN:
		listens(scratch);
		break;
	case SEND_TO:
		sends_to(scratch);
		break;
	case SEND_MESSAGE:
		sends_message(scratch, event->arguments[1]);
		break;
	case SEND_MESSAGES:
		if (result > 0)
			bpf_loop(1024, one_of_many, 0, 0);
		break;
	case WRITE:
		if (result > 0)
			writes(scratch);
		break;
	}
	return 0;
}

/* ---- processes ------------------------------------------------------------------------------------------------- */

SEC("raw_tp/sched_process_fork")
int BPF_PROG(forks, struct task_struct *parent, struct task_struct *child)
{
	if (BPF_CORE_READ(parent, tgid) == BPF_CORE_READ(child, tgid))
		return 0; /* a thread */
	__u32 process = process_of(parent);
	struct followed *followed = bpf_map_lookup_elem(&FOLLOWED, &process);
	if (!followed)
		return 0;
	__u32 number = process_of(child);
	struct followed inherited = { .how = followed->how == RUN ? RUN : DELEGATE };
	struct scratch *scratch = room();
	if (!number || !scratch) {
		count(NOT_FOLLOWED);
		return 0;
	}
	begin(&scratch->event, FORK, process, followed);
	if (inherited.how == DELEGATE)
		scratch->event.flags |= DELEGATED;
	scratch->event.other = number;
	if (bpf_map_update_elem(&FOLLOWED, &number, &inherited, BPF_ANY))
		count(NOT_FOLLOWED);
	send(scratch, 0);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int BPF_PROG(executes, struct task_struct *task, int old, struct linux_binprm *binary)
{
	__u32 process = process_of(task);
	struct followed *followed = bpf_map_lookup_elem(&FOLLOWED, &process);
	struct scratch *scratch = room();
	if (!followed || followed->how == DAEMON || !scratch)
		return 0;
	struct event *event = &scratch->event;
	begin(event, EXECUTION, process, followed);
	event->thread = thread_of(task);
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u32 at = describe(event, (__u64)BPF_CORE_READ(mm, exe_file), 0);
	event->length[0] = at;
	__u32 next = working_directory(event, at);
	event->length[1] = next - at;
	at = next & (ROOM - 1);
	long got = bpf_probe_read_kernel_str(&scratch->data[at], LONGEST_PATH, BPF_CORE_READ(binary, filename));
	if (got > 0) {
		event->length[2] = got;
		at = (at + got) & (ROOM - 1);
	}
	unsigned long start = BPF_CORE_READ(mm, arg_start);
	unsigned long length = BPF_CORE_READ(mm, arg_end) - start;
	event->other = length;
	if (length > LONGEST_ARGUMENTS - 1)
		length = LONGEST_ARGUMENTS - 1;
	asm volatile("" : "+r"(length));
	length &= LONGEST_ARGUMENTS - 1;
	if (at >= ROOM - LONGEST_ARGUMENTS)
		return 0;
	if (bpf_probe_read_user(&scratch->data[at], length, (const void *)start)) {
		event->flags |= UNREADABLE;
		length = 0;
	}
	event->length[3] = length;
	send(scratch, at + length);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int BPF_PROG(ends, struct task_struct *task)
{
	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0; /* other threads go on */
	__u32 process = process_of(task);
	struct followed *followed = bpf_map_lookup_elem(&FOLLOWED, &process);
	struct scratch *scratch = room();
	if (!followed || !scratch)
		return 0;
	if (followed->how != DAEMON) {
		begin(&scratch->event, EXIT, process, followed);
		int code = BPF_CORE_READ(task, group_leader, exit_code);
		if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
			code = BPF_CORE_READ(task, signal, group_exit_code);
		scratch->event.result = code;
		send(scratch, 0);
	}
	bpf_map_delete_elem(&FOLLOWED, &process);
	return 0;
}

/* Work for the kernel that no call names: counted only. */
SEC("raw_tp/io_uring_submit_req")
int BPF_PROG(submits)
{
	__u32 process = process_of((struct task_struct *)bpf_get_current_task());
	struct followed *followed = bpf_map_lookup_elem(&FOLLOWED, &process);
	if (followed && followed->how != DAEMON)
		count(RING_SUBMISSIONS);
	return 0;
}

/* ---- addresses, as the kernel uses them --------------------------------------------------------------------------- */

struct address {
	struct event event;
	__u8 bytes[28];
};

static __always_inline int address(struct bpf_sock_addr *context, __u32 which, int six)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u32 process = process_of(task);
	struct followed *followed = bpf_map_lookup_elem(&FOLLOWED, &process);
	if (!followed || followed->how == DAEMON)
		return 1;
	/* Preemption is on here: the memory is the stack's. */
	struct address out = {};
	begin(&out.event, ADDRESS, process, followed);
	out.event.thread = thread_of(task);
	out.event.number = which;
	out.event.family = context->user_family;
	out.event.socket_type = context->type;
	out.event.protocol = context->protocol;
	__u16 family = context->user_family, port = context->user_port;
	__builtin_memcpy(out.bytes, &family, 2);
	__builtin_memcpy(out.bytes + 2, &port, 2);
	if (six) {
		__u32 part = context->user_ip6[0];
		__builtin_memcpy(out.bytes + 8, &part, 4);
		part = context->user_ip6[1];
		__builtin_memcpy(out.bytes + 12, &part, 4);
		part = context->user_ip6[2];
		__builtin_memcpy(out.bytes + 16, &part, 4);
		part = context->user_ip6[3];
		__builtin_memcpy(out.bytes + 20, &part, 4);
	} else {
		__u32 ip = context->user_ip4;
		__builtin_memcpy(out.bytes + 4, &ip, 4);
	}
	out.event.length[0] = sizeof(out.bytes);
	count(bpf_ringbuf_output(&EVENTS, &out, sizeof(out), 0) ? LOST : SENT);
	return 1;
}

SEC("cgroup/connect4")
int connects_four(struct bpf_sock_addr *context)
{
	return address(context, 0, 0);
}

SEC("cgroup/connect6")
int connects_six(struct bpf_sock_addr *context)
{
	return address(context, 0, 1);
}

SEC("cgroup/sendmsg4")
int sends_four(struct bpf_sock_addr *context)
{
	return address(context, 1, 0);
}

SEC("cgroup/sendmsg6")
int sends_six(struct bpf_sock_addr *context)
{
	return address(context, 1, 1);
}
