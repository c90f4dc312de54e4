// zygote_bench PROGRAM [JOBS [PICTURES]]: what the supervisor and its idle workers weigh, and what a process
// a picture costs beside the picture. PROGRAM is fake_transcode (LD_PRELOAD gives it FFmpeg's libraries) or
// headgate-transcode, to which the pictures are nonsense.
#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/times.h>

#include <fstream>
#include <sstream>

#include "tests/transcode/transcode_support.h"

namespace {

using namespace headgate;
using namespace headgate::transcode;
using Clock = std::chrono::steady_clock;

// A line of /proc/PID/smaps_rollup, kB.
long memory(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
  }
  return 0;
}

// Seconds of user and system time.
double cpu(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  long user = 0;
  long system = 0;
  fields >> user >> system;
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

nlohmann::json ask(const protocol::RunDir& run, const char* method) {
  const auto answer =
      protocol::call(run.transcode_socket(), method, nlohmann::json::object(), std::chrono::seconds(10));
  return answer ? *answer : nlohmann::json();
}

// Ends the program where it does not come.
void wait_for(const std::function<bool()>& so, const char* what) {
  const auto end = Clock::now() + std::chrono::seconds(60);
  while (!so()) {
    if (Clock::now() > end) {
      fmt::print(stderr, "zygote_bench: {}: not within 60 s\n", what);
      std::exit(1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void weigh(pid_t supervisor, const std::vector<pid_t>& workers) {
  fmt::print("supervisor: RSS {} kB, PSS {} kB, private {} kB\n", memory(supervisor, "Rss"),
             memory(supervisor, "Pss"), memory(supervisor, "Private_Dirty"));
  long rss = 0;
  long pss = 0;
  long own = 0;
  for (const pid_t pid : workers) {
    rss += memory(pid, "Rss");
    pss += memory(pid, "Pss");
    own += memory(pid, "Private_Dirty");
  }
  const auto n = static_cast<long>(workers.size());
  if (n == 0) return;
  fmt::print("{} idle workers, each: RSS {} kB, PSS {} kB, private {} kB\n", n, rss / n, pss / n, own / n);
  const auto all = [&] {
    double sum = cpu(supervisor);
    for (const pid_t pid : workers) sum += cpu(pid);
    return sum;
  };
  const double before = all();
  const auto began = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(10));
  const double time = std::chrono::duration<double>(Clock::now() - began).count();
  fmt::print("supervisor and idle workers: {:.2f} % of one core\n", 100 * (all() - before) / time);
}

void time_pictures(pid_t supervisor, Link& link, int count) {
  const std::string picture(200'000, 'x');
  const auto one = [&](std::uint32_t asker) {
    link.ask(asker, picture);
    wait_for([&] { return !link.hear(std::chrono::seconds(5)).text.empty(); }, "the answer to a picture");
  };
  one(1);
  const double before = cpu(supervisor);
  const auto began = Clock::now();
  for (int i = 0; i < count; ++i) one(static_cast<std::uint32_t>(i));
  const double time = std::chrono::duration<double>(Clock::now() - began).count();
  fmt::print("a picture of 200 kB that is not decoded: {:.2f} ms, of it {:.2f} ms CPU of the supervisor\n",
             1000 * time / count, 1000 * (cpu(supervisor) - before) / count);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const int jobs = argc > 2 ? std::stoi(argv[2]) : 100;
  const int pictures = argc > 3 ? std::stoi(argv[3]) : 200;
  char name[] = "/tmp/hg-zygote-XXXXXX";
  const protocol::RunDir run{::mkdtemp(name)};
  std::filesystem::create_directories(run.jobs_dir());
  const pid_t supervisor = ::fork();
  if (supervisor == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::setenv("FAKE_REAL_RULES", "1", 1);
    ::execl(argv[1], argv[1], "--run-dir", run.root.c_str(), nullptr);
    ::_exit(127);
  }
  wait_for([&] { return !ask(run, "hello").is_null(); }, "an answer of the supervisor");
  std::vector<Link> links;
  const auto began = Clock::now();
  for (int i = 0; i < jobs; ++i) {
    const std::string channel = fmt::format("channel{}", i);
    links.emplace_back(run.jobs_dir() + "/sound." + channel, job::Kind::sound, channel, 256 * 1024);
  }
  std::vector<pid_t> workers;
  wait_for(
      [&] {
        workers.clear();
        const nlohmann::json status = ask(run, "status");
        for (const auto& entry : status["jobs"]) {
          if (entry["pid"] != 0) workers.push_back(entry["pid"].get<pid_t>());
        }
        return workers.size() == static_cast<std::size_t>(jobs);
      },
      "a worker of each job");
  fmt::print("{} jobs had their workers after {:.0f} ms\n", jobs,
             1000 * std::chrono::duration<double>(Clock::now() - began).count());
  weigh(supervisor, workers);
  Link link(run.jobs_dir() + "/pictures", job::Kind::pictures, "", 4 << 20);
  wait_for([&] { return link.workers() > 0; }, "a reader of the pictures' ring");
  time_pictures(supervisor, link, pictures);
  fmt::print("{}\n", ask(run, "status")["jobs"][0].dump());
  ::kill(supervisor, SIGTERM);
  ::waitpid(supervisor, nullptr, 0);
  std::filesystem::remove_all(run.root);
  return 0;
}
