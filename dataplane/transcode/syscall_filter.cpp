#include "dataplane/transcode/syscall_filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

namespace headgate::transcode {
namespace {

using Context = std::unique_ptr<void, void (*)(void*)>;

Context make_filter(std::uint32_t otherwise) {
  return {seccomp_init(otherwise), [](void* filter) { seccomp_release(filter); }};
}

// What is neither wanted nor harmful, but done by the C library, FFmpeg or x264 on the way: identity, the
// number of CPUs.
constexpr std::array kWorkersMay{
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(futex), SCMP_SYS(munmap),
    SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(exit), SCMP_SYS(exit_group),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times),
    SCMP_SYS(getrusage), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(sysinfo), SCMP_SYS(getpid),
    SCMP_SYS(gettid), SCMP_SYS(getrandom), SCMP_SYS(set_robust_list),
    // AddressSanitizer's, before what does not return.
    SCMP_SYS(sigaltstack),
    // abort(); install() narrows it down to the process itself.
    SCMP_SYS(rt_sigaction), SCMP_SYS(tgkill)};

}  // namespace

tl::expected<SyscallFilter, std::string> SyscallFilter::compile(void* filter) {
  const int fd = ::memfd_create("filter", MFD_CLOEXEC);
  if (fd < 0) return tl::unexpected<std::string>(std::string("can't make a file: ") + std::strerror(errno));
  std::string program;
  const bool exported = seccomp_export_bpf(filter, fd) == 0;
  std::array<char, 4096> chunk;
  ::lseek(fd, 0, SEEK_SET);
  for (ssize_t n = 0; exported && (n = ::read(fd, chunk.data(), chunk.size())) > 0;)
    program.append(chunk.data(), static_cast<std::size_t>(n));
  ::close(fd);
  if (program.empty() || program.size() % sizeof(sock_filter) != 0)
    return tl::unexpected<std::string>("can't compile the system call filter");
  SyscallFilter made;
  made.program_.resize(program.size() / sizeof(Instruction));
  std::memcpy(made.program_.data(), program.data(), program.size());
  return made;
}

tl::expected<SyscallFilter, std::string> SyscallFilter::for_workers() {
  const Context filter = make_filter(SCMP_ACT_KILL_PROCESS);
  if (filter == nullptr) return tl::unexpected<std::string>("can't make a system call filter");
  int bad = 0;
  for (const int call : kWorkersMay) bad |= seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  // Memory of its own, that can't be run. Neither shared memory nor stacks: RLIMIT_DATA counts none of them
  // (setrlimit(2)).
  constexpr auto kKinds = static_cast<scmp_datum_t>(MAP_TYPE | MAP_ANONYMOUS | MAP_GROWSDOWN);
  bad |= seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                          SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                          SCMP_A3(SCMP_CMP_MASKED_EQ, kKinds, MAP_PRIVATE | MAP_ANONYMOUS));
  bad |= seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                          SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  if (bad != 0) return tl::unexpected<std::string>("can't add to the system call filter");
  auto made = compile(filter.get());
  if (made) made->own_signals_only_ = true;
  return made;
}

tl::expected<SyscallFilter, std::string> SyscallFilter::for_supervisor() {
  const Context filter = make_filter(SCMP_ACT_ALLOW);
  if (filter == nullptr) return tl::unexpected<std::string>("can't make a system call filter");
  int bad = 0;
  for (const int call : {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
                         SCMP_SYS(process_vm_writev)})
    bad |= seccomp_rule_add(filter.get(), SCMP_ACT_KILL_PROCESS, call, 0);
  bad |= seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                          SCMP_A0(SCMP_CMP_NE, AF_UNIX));
  if (bad != 0) return tl::unexpected<std::string>("can't add to the system call filter");
  return compile(filter.get());
}

static_assert(std::endian::native == std::endian::little);

bool SyscallFilter::install() const noexcept {
  static_assert(sizeof(Instruction) == sizeof(sock_filter) && offsetof(sock_filter, k) == 4);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  if (own_signals_only_) {
    // tgkill's first argument, its lower half, is this process.
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(::getpid()), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog narrow{static_cast<unsigned short>(std::size(code)), code};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &narrow) != 0) return false;
  }
  // The kernel reads it only.
  auto* program = const_cast<Instruction*>(program_.data());
  const sock_fprog whole{static_cast<unsigned short>(program_.size()),
                         reinterpret_cast<sock_filter*>(program)};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0;
}

}  // namespace headgate::transcode
