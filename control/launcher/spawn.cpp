#include "control/launcher/spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "control/launcher/pidfd.h"

namespace headgate::control {
namespace {

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
};

// All or nothing of what the child may hold: the bounding set, because exec as root fills permitted from it,
// and the ambient set, because exec as another user empties permitted without it. Parts that this kernel or
// namespace refuses are skipped: what remains is then less, never more.
void keep_only(const std::vector<int>& wanted) {
  Capabilities now;
  if (::syscall(SYS_capget, &now.header, now.data) != 0) return;
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    if (std::find(wanted.begin(), wanted.end(), capability) == wanted.end())
      ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  Capabilities keep;
  for (const int capability : wanted) {
    const auto word = static_cast<std::size_t>(capability) / 32;
    keep.data[word].permitted |= (1U << (capability % 32)) & now.data[word].permitted;
  }
  for (auto& data : keep.data) data.effective = data.inheritable = data.permitted;
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (::syscall(SYS_capset, &keep.header, keep.data) != 0) return;
  for (const int capability : wanted) ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
}

bool change_user(const passwd& user) {
  ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  return ::setgroups(0, nullptr) == 0 && ::setgid(user.pw_gid) == 0 && ::setuid(user.pw_uid) == 0;
}

[[noreturn]] void fail_child(const char* what) {
  // Between fork and exec: no allocation.
  const char* reason = ::strerrordesc_np(errno);
  for (const char* part : {"headgate: ", what, ": ", reason != nullptr ? reason : "error", "\n"}) {
    if (::write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
  }
  ::_exit(127);
}

[[noreturn]] void run_child(int program, char* const* arguments, char* const* environment,
                            const Privileges& privileges, const passwd* user, int stdout_fd) {
  ::setsid();
  ::umask(0007);  // sockets and rings are shared with the group of their folder, with nobody else
  const int null = ::open("/dev/null", O_RDONLY);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0) fail_child("can't open /dev/null");
  if (stdout_fd >= 0 && ::dup2(stdout_fd, STDOUT_FILENO) < 0) fail_child("can't set stdout");
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGCHLD}) ::signal(signal, SIG_DFL);
  if (user != nullptr && !change_user(*user)) fail_child("can't change the user");
  keep_only(privileges.capabilities);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::execve(arguments[0], arguments, environment);
  // By descriptor: without CAP_DAC_OVERRIDE a folder on the way (a home folder of mode 0700) may be closed to
  // the child.
  if (errno == EACCES) ::syscall(SYS_execveat, program, "", arguments, environment, AT_EMPTY_PATH);
  fail_child(arguments[0]);
}

}  // namespace

tl::expected<SpawnedProcess, std::string> spawn(const std::vector<std::string>& command,
                                                const Privileges& privileges, int stdout_fd) {
  UniqueFd program(::open(command.front().c_str(), O_RDONLY | O_CLOEXEC));
  if (!program) return tl::unexpected("can't start " + command.front() + ": " + std::strerror(errno));
  const passwd* user = nullptr;
  if (!privileges.user.empty() && ::geteuid() == 0) user = ::getpwnam(privileges.user.c_str());

  std::vector<std::string> environment_text;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.starts_with("NOTIFY_SOCKET=") || text.starts_with("WATCHDOG_"))
      continue;  // the launcher speaks to systemd
    environment_text.push_back(text);
  }
  std::vector<char*> environment;
  environment.reserve(environment_text.size() + 1);
  for (auto& text : environment_text) environment.push_back(text.data());
  environment.push_back(nullptr);
  std::vector<std::string> arguments_text = command;
  std::vector<char*> arguments;
  arguments.reserve(arguments_text.size() + 1);
  for (auto& text : arguments_text) arguments.push_back(text.data());
  arguments.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid < 0) return tl::unexpected(std::string("can't fork: ") + std::strerror(errno));
  if (pid == 0) run_child(program.get(), arguments.data(), environment.data(), privileges, user, stdout_fd);
  SpawnedProcess child{pid, UniqueFd(::pidfd_open(pid, 0))};
  if (!child.pidfd) return tl::unexpected(std::string("can't watch a child: ") + std::strerror(errno));
  return child;
}

}  // namespace headgate::control
