// Tables of situations for the tests of the diagnosis: something goes wrong with news, and who is named for
// it. Threading: for tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "diagnosis_scene.h"

namespace headgate::control {

using catalogue::Culprit;
using protocol::DropReason;
using Kind = config::InputKind;

struct Situation {
  const char* name;
  std::function<void(Scene&)> before;  // of the map and the machine; may be null
  Scene::Trouble trouble;              // may be null
  Culprit culprit;
  const char* stage;                       // where it shows; "" for none
  const char* says;                        // within the verdict
  const char* kind;                        // the alarm that it is; "" for none
  const char* subject;                     // of it
  std::function<void(Scene&)> after = {};  // of the view
};

inline void PrintTo(const Situation& situation, std::ostream* out) { *out << situation.name; }

inline void stop_news(Scene& scene, Snapshot& sample, int) { scene.stop(sample); }

inline config::Push multicast_push() {
  config::Push push;
  push.url = "udp://239.20.1.1:5000";
  push.interface = "cap0";
  push.group = "239.20.1.1";
  return push;
}

inline config::Push rtmp_push() {
  config::Push push;
  push.url = "rtmp://live.example.com/app";
  push.kind = config::PushKind::rtmp;
  push.stream = "key";
  return push;
}

inline void serve_hls(Scene& scene) {
  scene.channel().hls = config::HlsOptions{};
  scene.bridge_channel()["problem"] = "";
}

inline void finding(Scene& scene, const char* kind, std::uint64_t track = 0) {
  serve_hls(scene);
  scene.bridge_channel()["watch"] = {
      {"verdict", true},
      {"findings",
       {{{"kind", kind}, {"track", track}, {"since_unix_ns", scene_time(290)}, {"text", "seen"}}}}};
}

inline void push_fails(Scene& scene, const std::string& error, const std::string& channel = "news") {
  scene.channel(channel).push = {rtmp_push()};
  scene.view.bridge_status["channels"][channel]["pushes"] = {{{"url", "rtmp://live.example.com/app"},
                                                              {"state", "waiting"},
                                                              {"error", error},
                                                              {"since_unix_ns", scene_time(290)}}};
}

inline void starve(Scene& scene) {
  scene.view.host.cpu_short = true;
  scene.view.host.conditions = {{"host_overload", "", "fastpath waited for a CPU 30 % of the last 10 s", 0}};
}

inline Scene::Trouble dropping(DropReason reason) {
  return [reason](Scene& scene, Snapshot& sample, int second) {
    scene.stop(sample);
    Scene::drop(sample, reason, second);
  };
}

inline Scene::Trouble backup_on_air(Scene::Trouble with = {}) {
  return [with](Scene& scene, Snapshot& sample, int second) {
    if (with) with(scene, sample, second);
    sample.channels[0].on_air = sample.channels[0].wanted = 2;
    sample.channels[0].switches = 1;
    sample.channels[0].switched_unix_ns = static_cast<std::uint64_t>(scene_time(282));
  };
}

// The querier is heard every 20 s and was last at `second`.
inline void last_query(Snapshot& sample, int second) {
  sample.networks[0].queries = static_cast<std::uint64_t>(second / 20);
  sample.networks[0].last_query_unix_ns = static_cast<std::uint64_t>(scene_time(second));
}

inline Scene::Trouble damaged(std::vector<std::string> ids) {
  return [ids = std::move(ids)](Scene&, Snapshot& sample, int second) {
    for (const std::string& id : ids) Scene::cc_errors(sample, second, id);
  };
}

// Of all tables; NamesTheCulprit stands in diagnosis_test.cpp.
class Diagnoses : public ::testing::TestWithParam<Situation> {};

inline std::string name_of(const ::testing::TestParamInfo<Situation>& about) { return about.param.name; }

}  // namespace headgate::control
