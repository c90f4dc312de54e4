// Which elementary streams HLS with MPEG-TS segments carries: what at least one class of players decodes.
// Threading: pure function.
#pragma once

#include "mpegts/psi/tables.h"

namespace headgate::bridge::hub {

// Why a stream of this kind is not carried; null: it is.
const char* refusal(mpegts::StreamKind kind);

}  // namespace headgate::bridge::hub
