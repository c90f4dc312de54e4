// What arrives of an input that comes through the bridge.
#include "diagnosis_situation.h"

namespace headgate::control {
namespace {

std::vector<Situation> source_situations() {
  std::vector<Situation> all;
  const auto add = [&](Situation situation) { all.push_back(std::move(situation)); };
  const auto bridged = [&](const char* name, config::InputKind kind, const char* state, const char* error,
                           Culprit culprit, const char* says) {
    add({name,
         [=](Scene& scene) {
           scene.by_bridge(kind, "srt://far:9000");
           scene.source(state, error);
         },
         stop_news, culprit, "arrival", says, "channel_down", "news"});
  };
  bridged("NobodyPublishes", Kind::publish, "waiting", "", Culprit::encoder, "Nobody publishes");
  bridged("EncoderLeft", Kind::publish, "waiting", "the encoder closed the connection", Culprit::encoder,
          "left with: the encoder closed");
  bridged("EncoderSendsNothing", Kind::publish, "receiving", "", Culprit::encoder, "sends nothing");
  bridged("ServerSendsNothing", Kind::rtmp, "receiving", "", Culprit::source, "sends nothing");
  bridged("CallerRefused", Kind::srt_caller, "connecting", "connection refused", Culprit::source,
          "nobody listens there");
  bridged("WrongPassphrase", Kind::srt_caller, "connecting", "the passphrase is wrong (10)", Culprit::map,
          "does not take our key");
  bridged("NoAnswer", Kind::srt_caller, "connecting", "no answer", Culprit::unknown, "it does not answer");
  bridged("NoWay", Kind::rtmp, "connecting", "can't connect to 10.9.9.9: Network is unreachable",
          Culprit::network, "no way there");
  bridged("NoSuchName", Kind::http_ts, "connecting", "can't resolve far: unknown", Culprit::unknown,
          "no address");
  bridged("ServerFails", Kind::hls, "connecting", "the server answers 503 Service Unavailable",
          Culprit::source, "the far end fails");
  bridged("NoSuchFile", Kind::file, "waiting", "can't open /srv/slate.ts: No such file or directory",
          Culprit::map, "can't be read");
  bridged("SenderDoesNotCall", Kind::srt_listener, "waiting", "", Culprit::source, "does not call us");
  add({"BridgeSilentUnderItsInput",
       [](Scene& scene) {
         scene.by_bridge(Kind::rtmp, "rtmp://far/app/x");
         scene.source("receiving", "");
         scene.view.processes[2].answers = false;
       },
       stop_news, Culprit::gateway, "bridge", "The bridge does not answer", "process_silent", "bridge"});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Source, Diagnoses, ::testing::ValuesIn(source_situations()), name_of);

}  // namespace
}  // namespace headgate::control
