// A transcode process that does what the test says, and outputs that write down what they get.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/bridge/hub/track.h"
#include "dataplane/bridge/transcode/job.h"
#include "dataplane/job/message.h"

namespace headgate::bridge::test {

struct Pushed {
  ring::MessageHeader header;
  std::vector<std::uint8_t> payload;
  job::Message kind() const { return static_cast<job::Message>(header.kind); }
};

class FakeJobs final : public transcode::JobMaker {
 public:
  struct Made {
    std::string name;
    job::Spec spec;
    OnMessage on_message;
    std::vector<Pushed> pushed;
    transcode::JobCounters counters;
    bool full = false;
    bool open = true;
    std::vector<Pushed> of(job::Message kind) const {
      std::vector<Pushed> out;
      for (const Pushed& each : pushed) {
        if (each.kind() == kind) out.push_back(each);
      }
      return out;
    }
  };
  std::unique_ptr<transcode::Job> make(const std::string& name, const job::Spec& spec,
                                       const transcode::RingSizes&, OnMessage on_message) override {
    made.push_back(std::make_shared<Made>());
    *made.back() = {name, spec, std::move(on_message), {}, {}, false, true};
    return std::make_unique<Handle>(made.back());
  }
  Made& last() { return *made.back(); }
  std::vector<std::shared_ptr<Made>> made;

 private:
  class Handle final : public transcode::Job {
   public:
    explicit Handle(std::shared_ptr<Made> made) : made_(std::move(made)) {}
    ~Handle() override { made_->open = false; }
    bool push(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) override {
      if (made_->full) {
        ++made_->counters.dropped;
        return false;
      }
      made_->pushed.push_back({header, {payload.begin(), payload.end()}});
      return true;
    }
    transcode::JobCounters counters() const override { return made_->counters; }
    const std::string& problem() const override { return problem_; }

   private:
    std::shared_ptr<Made> made_;
    std::string problem_;
  };
};

class UnitLog final : public hub::UnitSink {
 public:
  struct Item {
    hub::Unit unit;
    std::vector<std::uint8_t> packets;
    std::string codec;
  };
  void on_configuration(std::shared_ptr<const hub::Configuration> next) override {
    configurations.push_back(std::move(next));
  }
  void on_unit(const hub::Unit& unit) override {
    Item item{unit, {unit.packets.begin(), unit.packets.end()}, unit.audio == nullptr ? "" : unit.audio->codec};
    item.unit.packets = {};
    item.unit.audio = nullptr;
    item.unit.video = nullptr;
    units.push_back(std::move(item));
  }
  void on_discontinuity() override { ++discontinuities; }
  void on_loss() override { ++losses; }
  const hub::Configuration& now() const { return *configurations.back(); }

  std::vector<std::shared_ptr<const hub::Configuration>> configurations;
  std::vector<Item> units;
  int discontinuities = 0;
  int losses = 0;
};

// An ADTS frame of AAC-LC, 48 kHz, stereo.
inline std::vector<std::uint8_t> adts_frame(std::size_t size = 200, std::uint8_t fill = 0x5A) {
  std::vector<std::uint8_t> out(size, fill);
  out[0] = 0xFF;
  out[1] = 0xF1;
  out[2] = 0x4C;  // LC, 48 kHz
  out[3] = static_cast<std::uint8_t>(0x80 | size >> 11);
  out[4] = static_cast<std::uint8_t>(size >> 3);
  out[5] = static_cast<std::uint8_t>((size & 7) << 5 | 0x1F);
  out[6] = 0xFC;
  return out;
}

}  // namespace headgate::bridge::test
