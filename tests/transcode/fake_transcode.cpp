// fake_transcode --run-dir DIR: headgate-transcode with short times and workers that do what their messages
// say: the payload of a packet, or of a picture's access units, is one word.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include "control/log/log.h"
#include "control/protocol/lock_file.h"
#include "dataplane/transcode/supervisor.h"

namespace {

using namespace headgate;
using namespace headgate::transcode;

void eat_memory() {
  for (;;) {
    void* memory = std::malloc(8 << 20);
    if (memory == nullptr) std::abort();
    std::memset(memory, 1, 8 << 20);
  }
}

void do_what_is_said(std::string_view word) {
  if (word == "crash") ::raise(SIGSEGV);
  if (word == "abort") std::abort();
  if (word == "exit") ::_exit(3);
  if (word == "hang") {
    for (;;) ::poll(nullptr, 0, 1000);
  }
  if (word == "spin") {
    volatile unsigned turns = 0;
    for (;;) turns = turns + 1;
  }
  if (word == "eat") eat_memory();
  if (word == "grow") ::memset(std::malloc(40 << 20), 1, 40 << 20);  // of 64
  if (word == "open") ::syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
  if (word == "socket") ::syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  if (word == "unix") ::syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  if (word == "fork") ::syscall(SYS_fork);
  if (word == "thread") std::thread([] {}).join();
  if (word == "exec") ::execl("/bin/true", "true", nullptr);
  if (word == "signal") ::kill(::getppid(), SIGKILL);
  if (word == "tgkill") ::syscall(SYS_tgkill, ::getppid(), ::getppid(), SIGKILL);
  if (word == "code") ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // Neither is counted among a process's data.
  if (word == "shared") ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (word == "stack")
    ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
  if (word == "runnable") {
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::mprotect(memory, 4096, PROT_READ | PROT_EXEC);
  }
}

// Descriptors that this process has, by asking each: there is nothing else to ask.
std::string descriptors() {
  std::string text;
  for (int fd = 0; fd < 256; ++fd) {
    pollfd entry{fd, POLLIN, 0};
    if (::poll(&entry, 1, 0) >= 0 && (entry.revents & POLLNVAL) == 0) text += std::to_string(fd) + " ";
  }
  return text;
}

std::string about() { return "fds " + descriptors(); }

class Fake : public Worker {
 public:
  explicit Fake(Output& output) : output_(output) {
    // What can't be asked any more once the filter holds.
    char name[16] = {};
    ::prctl(PR_GET_NAME, name, 0, 0, 0);
    about_ = std::string("name ") + name + " nice " + std::to_string(::getpriority(PRIO_PROCESS, 0));
  }
  void on_message(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) override {
    const std::string_view word(reinterpret_cast<const char*>(payload.data()), payload.size());
    if (word == "spin-idle") spins_ = true;
    do_what_is_said(word);
    const std::string said = word == "about" ? about_ + " " + about() : std::string(word);
    output_.send(job::Message::frame, header,
                 {reinterpret_cast<const std::uint8_t*>(said.data()), said.size()});
  }
  void on_idle() override {
    while (spins_) {
    }
  }

 private:
  Output& output_;
  std::string about_;
  volatile bool spins_ = false;
};

std::unique_ptr<Worker> make_fake(Output& output) { return std::make_unique<Fake>(output); }

// The result's JPEG says what the picture's process found.
std::size_t look(const job::PictureRequest&, std::span<const std::uint8_t> units,
                 std::span<std::uint8_t> out) {
  const std::string_view word(reinterpret_cast<const char*>(units.data()), units.size());
  do_what_is_said(word);
  job::PictureResult result;
  result.verdict = job::PictureVerdict::shown;
  std::string said = "saw " + std::string(word.substr(0, 100));
  if (word == "lie") {
    result.jpeg_size = 0xFFFF'FFFF;
    result.verdict = job::PictureVerdict::refused;
  } else if (word == "about") {
    said = about();
  } else if (word == "look-around") {
    // Whatever of the piece lies behind this word, to the end of its page.
    said.clear();
    for (std::size_t i = word.size(); i < 4096; ++i) said += static_cast<char>(units.data()[i]);
  } else if (word.size() > 100) {
    said = std::to_string(word.size());
  }
  if (word != "lie") result.jpeg_size = static_cast<std::uint32_t>(said.size());
  std::memcpy(out.data(), &result, sizeof result);
  std::memcpy(out.data() + sizeof result, said.data(), said.size());
  if (word == "long") return ~std::size_t{0};
  if (word == "short") return 10;
  return sizeof result + said.size();
}

Limits small_limits(job::Kind kind) {
  Limits limits = limits_of(kind);
  limits.memory = 64 << 20;
  limits.cpu = std::getenv("FAKE_CPU") != nullptr ? std::atof(std::getenv("FAKE_CPU")) : 0.2;
  return limits;
}

Rules short_rules() {
  using std::chrono::milliseconds;
  Rules rules;
  rules.hang_bound = milliseconds(400);
  rules.cpu_window = milliseconds(600);
  rules.first_pause = milliseconds(20);
  rules.last_pause = milliseconds(100);
  rules.quarantine = milliseconds(700);
  rules.picture_bound = milliseconds(400);
  rules.scan_interval = milliseconds(200);
  rules.watch_interval = milliseconds(50);
  rules.limits = small_limits;
  if (const char* hang = std::getenv("FAKE_HANG_MS")) rules.hang_bound = milliseconds(std::atoi(hang));
  if (const char* most = std::getenv("FAKE_JOBS")) rules.most_jobs = std::strtoul(most, nullptr, 10);
  if (const char* quarantine = std::getenv("FAKE_QUARANTINE_MS"))
    rules.quarantine = milliseconds(std::atoi(quarantine));
  if (const char* strikes = std::getenv("FAKE_STRIKES")) rules.strikes = std::strtoul(strikes, nullptr, 10);
  return rules;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  log::set_up("transcode", {});
  const protocol::RunDir run_dir{argv[2]};
  std::filesystem::create_directories(run_dir.transcode_dir());
  const auto lock = protocol::LockFile::take(run_dir.lock("transcode"));
  if (!lock) return 1;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  const auto own = SyscallFilter::for_supervisor();
  auto workers = SyscallFilter::for_workers();
  if (!own || !workers || !own->install()) return 1;
  const bool real = std::getenv("FAKE_REAL_RULES") != nullptr;
  Environment environment{real ? Rules{} : short_rules(), {make_fake, make_fake, look}, std::move(*workers)};
  const int status = Supervisor(run_dir, std::move(environment)).run(signals);
  ::_exit(status);  // a sanitizer's look for leaks would need ptrace
}
