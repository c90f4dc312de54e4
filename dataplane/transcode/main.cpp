// headgate-transcode --run-dir DIR: decodes and encodes what the bridge lays out as jobs, each in a process
// of its own. Exit status: 0 after SIGTERM, 1 when it can't start, 2 for a wrong command line.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string_view>

#include "control/log/log.h"
#include "control/protocol/lock_file.h"
#include "dataplane/transcode/supervisor.h"

namespace {

using namespace headgate;

// Blocks the signals and makes them readable.
int open_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Children's niceness counts within this session only where the kernel groups tasks by session: then the
// session as a whole gives way to the others'. sched(7), "The autogroup feature". One that it shares is left
// alone.
void yield_to_other_sessions() {
  if (::getsid(0) != ::getpid()) return;
  const int fd = ::open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t n = ::write(fd, "5", 1);
  ::close(fd);
}

void set_limits() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

int run(const std::string& root) {
  const protocol::RunDir run_dir{root};
  std::error_code ignored;
  std::filesystem::create_directories(run_dir.transcode_dir(), ignored);
  const auto lock = protocol::LockFile::take(run_dir.lock("transcode"));
  if (!lock) {
    log::error("{}", lock.error());
    return 1;
  }
  const int signals = open_signals();
  set_limits();
  yield_to_other_sessions();
  transcode::load_codecs();
  const auto own = transcode::SyscallFilter::for_supervisor();
  auto workers = transcode::SyscallFilter::for_workers();
  if (!own || !workers || !own->install()) {
    log::error("can't shut the workers in: {}", !own       ? own.error()
                                                : !workers ? workers.error()
                                                           : "the kernel refuses the system call filter");
    return 1;
  }
  transcode::Environment environment{
      {},
      {transcode::make_sound_worker, transcode::make_ladder_worker, transcode::look_at_picture},
      std::move(*workers)};
  return transcode::Supervisor(run_dir, std::move(environment)).run(signals);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::printf("headgate-transcode %s\n", HEADGATE_VERSION);
    return 0;
  }
  if (argc != 3 || std::string_view(argv[1]) != "--run-dir") {
    std::fprintf(stderr, "usage: headgate-transcode --run-dir DIR | --version\n");
    return 2;
  }
  log::set_up("transcode", {});
  return run(argv[2]);
}
