//! Every way to prove who one is passes through, and a wrong password fails as it does directly.

use std::process::Command;

use rastro_sim::{Auth, ScratchOptions};

use crate::support::desk::{DESK, new_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::{aim, assert_same};

#[test]
fn each_authentication_method_passes_and_refuses_as_directly() {
    for auth in [Auth::Trust, Auth::Password, Auth::Md5, Auth::ScramSha256] {
        let cluster = new_cluster(&ScratchOptions::default().with_auth(auth));
        let gateway = Gateway::start(&cluster, &GatewayOptions::default());
        let attempt = |port: u16, login: &str, password: &str| {
            let mut command = Command::new(cluster.program("psql"));
            command.args(["-XAtw", "-c", "SELECT current_user, name FROM customers WHERE id = 3"]);
            let output = aim(&mut command, port, login).env("PGPASSWORD", password).output().unwrap();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            text.replace(&port.to_string(), "PORT")
        };
        for (login, password) in [("agent_001", "agent_001"), ("agent_001", "wrong"), ("nobody_here", "x")] {
            let direct = attempt(cluster.port(), login, password);
            let welcome = direct.contains(&DESK.customer(3).name);
            assert_eq!(
                welcome,
                login == "agent_001" && (password == login || auth == Auth::Trust),
                "{direct}"
            );
            assert_same(&format!("{auth:?} as {login}"), &direct, &attempt(gateway.port, login, password));
        }
    }
}
