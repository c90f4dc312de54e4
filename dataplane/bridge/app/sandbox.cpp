#include "dataplane/bridge/app/sandbox.h"

#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace headgate::bridge::app {
namespace {

tl::unexpected<std::string> failure(const char* what) {
  return tl::unexpected<std::string>(std::string(what) + ": " + std::strerror(errno));
}

tl::expected<void, std::string> drop_capabilities() {
  constexpr int kLastPossible = 63;
  for (int capability = 0; capability <= kLastPossible; ++capability) {
    if (capability == CAP_NET_BIND_SERVICE) continue;
    // EINVAL: beyond the kernel's last; EPERM: an ordinary user, who has none to drop.
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL && errno != EPERM) {
      return failure("can't drop a capability from the bounding set");
    }
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return failure("can't read capabilities");
  constexpr std::uint32_t kBind = 1U << CAP_NET_BIND_SERVICE;
  for (auto& word : data) word.inheritable = 0;
  data[0].permitted &= kBind;
  data[0].effective &= kBind;
  data[1].permitted = 0;
  data[1].effective = 0;
  if (::syscall(SYS_capset, &header, data.data()) != 0) return failure("can't drop capabilities");
  return {};
}

tl::expected<void, std::string> filter_system_calls() {
  const std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_ALLOW),
                                                      [](void* f) { seccomp_release(f); });
  if (filter == nullptr) return tl::unexpected<std::string>("can't make a system call filter");
  static constexpr std::array kKilled{SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace)};
  static constexpr std::array kRefused{SCMP_SYS(mount),
                                       SCMP_SYS(umount2),
                                       SCMP_SYS(pivot_root),
                                       SCMP_SYS(chroot),
                                       SCMP_SYS(init_module),
                                       SCMP_SYS(finit_module),
                                       SCMP_SYS(delete_module),
                                       SCMP_SYS(kexec_load),
                                       SCMP_SYS(reboot),
                                       SCMP_SYS(swapon),
                                       SCMP_SYS(swapoff),
                                       SCMP_SYS(setns),
                                       SCMP_SYS(unshare),
                                       SCMP_SYS(bpf),
                                       SCMP_SYS(perf_event_open),
                                       SCMP_SYS(userfaultfd),
                                       SCMP_SYS(process_vm_readv),
                                       SCMP_SYS(process_vm_writev),
                                       SCMP_SYS(keyctl),
                                       SCMP_SYS(add_key),
                                       SCMP_SYS(request_key),
                                       SCMP_SYS(open_by_handle_at),
                                       SCMP_SYS(name_to_handle_at),
                                       SCMP_SYS(fork),
                                       SCMP_SYS(vfork),
                                       SCMP_SYS(setuid),
                                       SCMP_SYS(setgid),
                                       SCMP_SYS(setresuid),
                                       SCMP_SYS(setresgid),
                                       SCMP_SYS(sethostname),
                                       SCMP_SYS(settimeofday),
                                       SCMP_SYS(clock_settime),
                                       SCMP_SYS(io_uring_setup),
                                       SCMP_SYS(mknod),
                                       SCMP_SYS(mknodat),
                                       SCMP_SYS(acct),
                                       SCMP_SYS(quotactl),
                                       SCMP_SYS(personality)};
  for (const int call : kKilled) {
    if (seccomp_rule_add(filter.get(), SCMP_ACT_KILL_PROCESS, call, 0) != 0) {
      return tl::unexpected<std::string>("can't add to the system call filter");
    }
  }
  for (const int call : kRefused) {
    if (seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0) != 0) {
      return tl::unexpected<std::string>("can't add to the system call filter");
    }
  }
  if (seccomp_load(filter.get()) != 0)
    return tl::unexpected<std::string>("can't load the system call filter");
  return {};
}

}  // namespace

void set_limits() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

tl::expected<void, std::string> enter_sandbox() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("can't set no_new_privs");
  if (auto dropped = drop_capabilities(); !dropped) return dropped;
  return filter_system_calls();
}

}  // namespace headgate::bridge::app
