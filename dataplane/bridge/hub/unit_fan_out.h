// One hub, several packagers: hands every call on. Threading: owned by the hub's thread.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hub {

class UnitFanOut : public UnitSink {
 public:
  // A sink that comes late gets the configuration in force. The sink outlives its place here.
  void add(UnitSink* sink) {
    sinks_.push_back(sink);
    if (configuration_ != nullptr) sink->on_configuration(configuration_);
  }
  void remove(UnitSink* sink) { std::erase(sinks_, sink); }

  void on_configuration(std::shared_ptr<const Configuration> configuration) override {
    configuration_ = std::move(configuration);
    for (UnitSink* sink : sinks_) sink->on_configuration(configuration_);
  }
  void on_unit(const Unit& unit) override {
    for (UnitSink* sink : sinks_) sink->on_unit(unit);
  }
  void on_cue(const Cue& cue) override {
    for (UnitSink* sink : sinks_) sink->on_cue(cue);
  }
  void on_discontinuity() override {
    for (UnitSink* sink : sinks_) sink->on_discontinuity();
  }
  void on_loss() override {
    for (UnitSink* sink : sinks_) sink->on_loss();
  }

 private:
  std::vector<UnitSink*> sinks_;
  std::shared_ptr<const Configuration> configuration_;
};

}  // namespace headgate::bridge::hub
