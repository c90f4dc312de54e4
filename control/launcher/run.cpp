#include "control/launcher/run.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>
#include <sstream>

#include "control/launcher/launcher.h"
#include "control/log/log.h"

namespace headgate::control {
namespace {

constexpr const char* kBridgeUser = "headgate";  // and of the transcode process
constexpr std::chrono::seconds kPrintDirsBound{30};

struct Dirs {
  std::string run_dir;
  std::string data_dir;
  log::Settings log;
};

// CAP_DAC_READ_SEARCH: files and folders of other owners, as root without capabilities could not read them:
// keys that only their owner may read, captures that a pcap: device plays, a checkout in a closed home
// folder.
Privileges control_privileges() { return {{CAP_DAC_READ_SEARCH}, ""}; }
Privileges fastpath_privileges() {
  return {
      {CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF, CAP_SYS_ADMIN, CAP_IPC_LOCK, CAP_SYS_NICE, CAP_DAC_READ_SEARCH},
      ""};
}
Privileges bridge_privileges() { return {{CAP_NET_BIND_SERVICE}, kBridgeUser}; }

Privileges transcode_privileges() { return {{}, kBridgeUser}; }

// Everything the child prints, within a bound of time and size.
std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  const auto end = std::chrono::steady_clock::now() + kPrintDirsBound;
  while (text.size() < 64 * 1024) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd entry{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&entry, 1, static_cast<int>(left)) <= 0) break;
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

// The child has printed its diagnostics to stderr where this is empty.
std::optional<Dirs> ask_for_dirs(const std::string& control, const std::string& config) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  auto child = spawn({control, "--config", config, "--print-dirs"}, control_privileges(), writer.get());
  writer.reset();
  if (!child) {
    log::error("{}", child.error());
    return std::nullopt;
  }
  std::istringstream lines(read_all(reader.get()));
  ::kill(child->pid, SIGKILL);  // it has nothing more to say; one that hangs must not hold the start
  int status = 0;
  ::waitpid(child->pid, &status, 0);
  Dirs dirs;
  if (!std::getline(lines, dirs.run_dir) || !std::getline(lines, dirs.data_dir)) return std::nullopt;
  if (dirs.run_dir.empty() || dirs.data_dir.empty()) return std::nullopt;
  std::string level, format;
  lines >> level >> format;
  dirs.log = log::settings_of(level, format);
  return dirs;
}

// "; run as root ..." where an errno has a usual cause, "" else.
std::string remedy(int error, const std::string& key) {
  if (error == EROFS) return "; make that file system writable, or name another " + key + " in the node file";
  if (error == ENOSPC || error == EDQUOT) return "; make room there";
  if ((error == EACCES || error == EPERM) && ::geteuid() != 0)
    return "; run as root, or name a " + key +
           " that this user may write and give the fast path CAP_NET_RAW and CAP_NET_ADMIN";
  if (error == EEXIST || error == ENOTDIR) return "; a file is in its way";
  return "";
}

bool make_folder(const std::string& path, const char* key, mode_t mode, uid_t owner, gid_t group) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || ::chown(path.c_str(), owner, group) != 0 || ::chmod(path.c_str(), mode) != 0) {
    const int code = error ? error.value() : errno;
    log::error("can't set up {}: {}{}", path, std::strerror(code), remedy(code, key));
    return false;
  }
  return true;
}

// Sub-folders are writable by their owner only; set-gid, so that what is made inside is shared with the one
// group that needs it: the bridge reads its state file and the rings, control reaches the bridge's socket.
bool make_layout(const Dirs& dirs) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  const passwd* bridge = uid == 0 ? ::getpwnam(kBridgeUser) : nullptr;
  const uid_t bridge_uid = bridge != nullptr ? bridge->pw_uid : uid;
  const gid_t bridge_gid = bridge != nullptr ? bridge->pw_gid : gid;
  const protocol::RunDir run{dirs.run_dir};
  if (!make_folder(dirs.data_dir, "data_dir", 0700, uid, gid) ||
      !make_folder(run.root, "run_dir", 0755, uid, gid) ||
      !make_folder(run.root + "/state", "run_dir", 02750, uid, bridge_gid) ||
      !make_folder(run.fastpath_dir(), "run_dir", 02750, uid, bridge_gid) ||
      !make_folder(run.bridge_dir(), "run_dir", 02750, bridge_uid, gid) ||
      !make_folder(run.transcode_dir(), "run_dir", 02750, bridge_uid, gid))
    return false;
  for (const char* process : {"bridge", "transcode"}) {
    const std::string lock = run.lock(process);
    const UniqueFd fd(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd || ::fchown(fd.get(), bridge_uid, bridge_gid) != 0) {
      log::error("can't make {}: {}", lock, std::strerror(errno));
      return false;
    }
  }
  return true;
}

}  // namespace

std::string find_daemon(const std::string& program, const std::string& name) {
  const std::filesystem::path folder = std::filesystem::path(program).parent_path();
  for (const auto& candidate : {folder / name, folder / "../libexec/headgate" / name}) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate.lexically_normal().string();
  }
  return "";
}

int run_gateway(const RunOptions& options) {
  std::string paths[3];
  const char* names[3] = {"headgate-control", "headgate-fastpath", "headgate-bridge"};
  for (int i = 0; i < 3; ++i) {
    paths[i] = find_daemon(options.program, names[i]);
    if (paths[i].empty()) {
      log::error("{} is neither beside {} nor in ../libexec/headgate; install it there", names[i],
                 options.program);
      return 1;
    }
  }
  const std::string config = std::filesystem::absolute(options.config).lexically_normal().string();
  const auto dirs = ask_for_dirs(paths[0], config);
  if (!dirs) return 1;
  log::set_up("launcher", dirs->log);
  if (!make_layout(*dirs)) return 1;
  const protocol::RunDir run{dirs->run_dir};
  const auto lock = ProcessLock::acquire(run.lock("launcher"));
  if (!lock) {
    log::error("{}", lock.error());
    return 1;
  }
  // The lock's file may have been removed under a launcher that runs.
  if (const auto other = find_listening(run.launcher_socket())) {
    log::error("already running, pid {} ({} was removed; it listens on {})", other->pid, run.lock("launcher"),
               run.launcher_socket());
    return 1;
  }
  const std::string socket = options.socket.empty() ? run.control_socket() : options.socket;
  LauncherOptions launcher;
  launcher.run_dir = run;
  launcher.processes = {
      {"control", {paths[0], "--config", config, "--socket", socket}, control_privileges(), false, socket},
      {"fastpath", {paths[1], "--run-dir", run.root}, fastpath_privileges(), true, run.fastpath_socket()},
      {"bridge", {paths[2], "--run-dir", run.root}, bridge_privileges(), true, run.bridge_socket()},
  };
  // It alone needs FFmpeg, and a gateway can do without.
  if (const std::string transcode = find_daemon(options.program, "headgate-transcode"); !transcode.empty()) {
    launcher.processes.push_back({"transcode",
                                  {transcode, "--run-dir", run.root},
                                  transcode_privileges(),
                                  true,
                                  run.transcode_socket()});
  } else {
    log::warning(
        "headgate-transcode is neither beside this program nor in ../libexec/headgate: no AAC is made, no "
        "thumbnails, no derived renditions, and nothing watches pictures and sound");
    launcher.processes.back().command.push_back("--without-workers");
  }
  return Launcher(std::move(launcher), ServiceManager::from_environment()).run();
}

}  // namespace headgate::control
