//! A mail server that takes everything and keeps it.

use std::sync::{Arc, Mutex};

use contact::MailerSettings;
use kernel::Tasks;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// The mails, as they were handed over.
pub(crate) type Boite = Arc<Mutex<Vec<String>>>;

/// Starts it.
pub(crate) async fn facteur(tasks: &Tasks) -> (MailerSettings, Boite) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("smtp://{}", listener.local_addr().expect("address"));
    let boite = Boite::default();
    let (kept, children) = (Arc::clone(&boite), tasks.clone());
    tasks.spawn_until_stopped(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            children.spawn_until_stopped(async move {
                let _ = servir(stream, &kept).await;
            });
        }
    });
    let from = "Relais <ne-pas-repondre@relais.example>".to_owned();
    let (user, password, reply_to, timeout_ms) = (None, None, None, 5_000);
    (MailerSettings { url, user, password, from, reply_to, timeout_ms }, boite)
}

async fn servir(stream: TcpStream, boite: &Boite) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 facteur\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-facteur\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "DATA" => {
                write.write_all(b"354 go\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await?.filter(|l| l != ".") {
                    mail.push_str(&line);
                    mail.push('\n');
                }
                boite.lock().expect("lock").push(mail);
                b"250 taken\r\n"
            }
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}
