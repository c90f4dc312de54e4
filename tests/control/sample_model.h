// A small channel map for tests: a relayed channel with HLS, one without, one disabled.
#pragma once

#include "config/model/model.h"

namespace headgate::control {

inline config::Channel sample_channel(const std::string& id, const std::string& group, bool hls) {
  config::Channel channel;
  channel.id = channel.name = id;
  config::Input input;
  input.url = "udp://" + group + ":5000";
  input.interface = "cap0";
  input.group = group;
  input.port = 5000;
  channel.inputs.push_back(input);
  if (hls) channel.hls = config::HlsOptions{};
  return channel;
}

inline config::Model sample_model() {
  config::Model model;
  model.node.node = "hg1";
  model.node.run_dir = "/run/headgate";
  model.node.data_dir = "/var/lib/headgate";
  config::Interface interface;
  interface.name = "cap0";
  interface.device = "af_packet:eth1";
  interface.addresses = {"10.20.0.5/24"};
  interface.vlans = {{120, {"10.21.0.5/24"}}};
  model.node.interfaces = {interface};
  model.node.http = {{"[::]:8080"}};
  model.node.admin = config::AdminServer{"127.0.0.1:9470", "keys/admin", {{"viewer", "secret"}}};
  config::Channel news = sample_channel("news", "239.10.1.1", true);
  news.number = 101;
  news.tags = {"hd"};
  news.inputs[0].program = config::Program(std::string("News HD"));
  config::Push push;
  push.url = "udp://239.20.1.1:5000";
  push.interface = "cap0";
  push.group = "239.20.1.1";
  push.port = 5000;
  news.push = {push, push};
  news.push[1].enabled = false;
  config::Channel sport = sample_channel("sport", "239.10.1.2", false);
  sport.inputs[0].program = config::Program(std::uint16_t{1201});
  config::Channel old = sample_channel("old", "239.10.1.9", true);
  old.enabled = false;
  model.channels = {news, sport, old};
  return model;
}

}  // namespace headgate::control
