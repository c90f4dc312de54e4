// fake_transcode in a run_dir of its own, and the bridge's side of its jobs.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "control/protocol/message.h"
#include "control/protocol/run_dir.h"
#include "dataplane/job/message.h"
#include "dataplane/job/spec.h"
#include "dataplane/ring/message_ring.h"

// Under their shadow memory there is no limit of memory.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITHOUT_MEMORY_LIMIT 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WITHOUT_MEMORY_LIMIT 1
#endif
#endif

namespace headgate::transcode {

// What the bridge has of a job.
class Link {
 public:
  Link(const std::string& folder, job::Kind kind, const std::string& channel, std::size_t bytes = 1 << 16)
      : paths_{folder} {
    std::filesystem::create_directories(folder);
    EXPECT_TRUE(ring::make_message_ring(paths_.to_worker(), bytes).has_value());
    EXPECT_TRUE(ring::make_message_ring(paths_.from_worker(), 4 << 20).has_value());
    to_ = std::move(*ring::MessageProducer::open(paths_.to_worker()));
    from_ = std::move(*ring::MessageConsumer::open(paths_.from_worker()));
    EXPECT_TRUE(job::write_spec(paths_, {kind, channel}).has_value());
  }
  void remove() const { std::filesystem::remove_all(paths_.folder); }

  void say(const std::string& word) {
    to_->push({}, {reinterpret_cast<const std::uint8_t*>(word.data()), word.size()});
    to_->flush();
  }
  // Whatever a worker may be told.
  void tell(job::Message kind, ring::MessageHeader header, std::span<const std::uint8_t> payload) {
    header.kind = static_cast<std::uint16_t>(kind);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!to_->push(header, payload)) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "the worker takes nothing";
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    to_->flush();
  }
  void ask(std::uint32_t asker, const std::string& word, const job::PictureRequest& request = {}) {
    std::string payload(reinterpret_cast<const char*>(&request), sizeof request);
    payload += word;
    ring::MessageHeader header;
    header.kind = static_cast<std::uint16_t>(job::Message::picture);
    header.id = asker;
    EXPECT_TRUE(to_->push(header, {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()}));
    to_->flush();
  }
  struct Heard {
    ring::MessageHeader header;
    std::string text;
  };
  // The next message; an empty text where none comes.
  Heard hear(std::chrono::milliseconds bound = std::chrono::seconds(10)) {
    const auto end = std::chrono::steady_clock::now() + bound;
    Heard heard;
    while (std::chrono::steady_clock::now() < end) {
      const auto n =
          from_->poll(1, [&](const ring::MessageHeader& header, std::span<const std::uint8_t> bytes) {
            heard = {header, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
          });
      if (n == 1) return heard;
      if (!from_->prepare_sleep()) continue;
      pollfd entry{from_->wake_fd(), POLLIN, 0};
      ::poll(&entry, 1, 50);
      from_->awake();
    }
    return heard;
  }
  // Until a worker that lives now says back what is said now.
  bool echoes() {
    for (int i = 0; i < 200; ++i) {
      const std::string word = "echo " + std::to_string(++words_);
      say(word);
      for (Heard heard = hear(std::chrono::milliseconds(100)); !heard.text.empty();
           heard = hear(std::chrono::milliseconds(100))) {
        if (heard.text == word) return true;
      }
    }
    return false;
  }
  std::uint32_t workers() const { return to_->consumer_epoch(); }

 private:
  job::Paths paths_;
  unsigned words_ = 0;
  std::unique_ptr<ring::MessageProducer> to_;
  std::unique_ptr<ring::MessageConsumer> from_;
};

class TranscodeTest : public testing::Test {
 protected:
  TranscodeTest() {
    char name[] = "/tmp/hg-transcode-XXXXXX";
    run_dir_.root = ::mkdtemp(name);
    std::filesystem::create_directories(run_dir_.jobs_dir());
  }
  ~TranscodeTest() override {
    stop(SIGKILL);
    std::filesystem::remove_all(run_dir_.root);
  }
  void start() {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(FAKE_TRANSCODE, FAKE_TRANSCODE, "--run-dir", run_dir_.root.c_str(), nullptr);
      ::_exit(127);
    }
    ASSERT_TRUE(eventually([&] { return !call("hello").is_null(); }));
  }
  int stop(int signal) {
    if (pid_ == 0) return 0;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }
  nlohmann::json call(const std::string& method) const {
    const auto answer = protocol::call(run_dir_.transcode_socket(), method, nlohmann::json::object(),
                                       std::chrono::seconds(5));
    return answer ? *answer : nlohmann::json();
  }
  // Of the status; null where it isn't there.
  nlohmann::json job(const std::string& name) const {
    const nlohmann::json status = call("status");
    if (!status.is_object()) return {};
    for (const nlohmann::json& entry : status["jobs"]) {
      if (entry["name"] == name) return entry;
    }
    return {};
  }
  bool state_becomes(const std::string& name, const std::string& state) const {
    return eventually([&] {
      const nlohmann::json now = job(name);
      return now.is_object() && now["state"] == state;
    });
  }
  pid_t worker(const std::string& name) const {
    pid_t pid = 0;
    eventually([&] {
      const nlohmann::json now = job(name);
      if (now.is_object()) pid = now["pid"].get<pid_t>();
      return pid != 0;
    });
    return pid;
  }
  static bool eventually(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  static bool lives(pid_t pid) { return ::kill(pid, 0) == 0; }
  std::string folder(const std::string& name) const { return run_dir_.jobs_dir() + "/" + name; }
  Link sound(const std::string& channel) const {
    return {folder("sound." + channel), job::Kind::sound, channel};
  }

  protocol::RunDir run_dir_;
  pid_t pid_ = 0;
};

}  // namespace headgate::transcode
